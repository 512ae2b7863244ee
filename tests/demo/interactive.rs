//! The demo on a terminal: it says where things are and what to try, stays up,
//! and starts a node again that somebody killed. Refuses to do anything to the
//! cluster by itself.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::place::{COMMANDER, HQ1, HTTPS, PLACES, R3, R5, RED_PLAN, SIP};
use crate::process::program;
use crate::say::say;
use crate::stage::Stage;

/// Long enough to see what the others do without it.
const AWAY: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);

/// Until it is interrupted from outside.
pub(crate) async fn stay(stage: &mut Stage) -> Result<()> {
    say(&welcome(stage)?);
    let mut fallen: [Option<Instant>; 5] = [None; 5];
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        stage.fakes.still_run()?;
        for (node, fallen) in stage.nodes.iter_mut().zip(&mut fallen) {
            let (name, away) = (node.name(), AWAY.as_secs());
            if node.fell()? {
                say(&format!(
                    "{name} 已停止，{away} 秒后重新启动 / is gone; started again in {away} s"
                ));
                *fallen = Some(Instant::now());
            }
            if fallen.is_some_and(|since| since.elapsed() >= AWAY) {
                *fallen = None;
                node.spawn()?;
                let pid = node.pid().unwrap_or_default();
                say(&format!("{name} 已重新启动 / runs again (pid {pid})"));
            }
        }
    }
}

fn welcome(stage: &Stage) -> Result<String> {
    let weir = program("weir")?;
    let weir = weir.display();
    let seen = stage.terms.open_to.unwrap_or(PLACES[HQ1].ip());
    let socket = |at: usize| stage.nodes[at].api().socket().display().to_string();
    let (hq1, r5) = (socket(HQ1), socket(R5));
    let leader = stage.nodes[HQ1].pid().unwrap_or_default();
    let (password, (phone, secret)) = (&stage.password, &stage.phone);
    let also =
        PLACES[1..].iter().map(|place| format!("{} https://{}", place.name, place.at(HTTPS)));
    let also = also.collect::<Vec<_>>().join("  ");
    let (r3_site, r5_site) = (PLACES[R3].site, PLACES[R5].site);
    let open = match stage.terms.open_to {
        Some(address) => format!("对局域网开放 / open to the LAN at {address}"),
        None => "仅本机可达；LISTEN=本机地址 make demo 对局域网开放 hq1 / this machine only; \
                 LISTEN=its-address make demo opens hq1 to the LAN"
            .to_owned(),
    };
    Ok(format!(
        "\n五个节点已就绪 / Five nodes are up: hq1 rc1 r3, and r4 r5 behind emulated satellites\n\
         {open}\n\n\
         控制台 console    https://{seen}:{HTTPS}   （自签证书 self-signed）\n\
         \x20                 {also}\n\
         登录 sign in      {COMMANDER}   {password}\n\
         话机 SIP account  {phone}@{seen}:{SIP}  UDP/TCP   {secret}\n\n\
         试一试 Three things to try\n\
         1  红色预警响彻青峰三区（17 个喇叭） / sound the red warning:\n\
         \x20  {weir} plan start {RED_PLAN} --site {r3_site} --mode real \\\n\
         \x20    --as {COMMANDER} -s {hq1}\n\
         2  广播当中杀死领导节点，20 秒后自动重启 / kill the leader meanwhile; it is back in 20 s:\n\
         \x20  kill -9 {leader}\n\
         3  切断云岭水库，两侧显示 LOCAL MODE，再恢复 / cut {r5_site} off, look, heal it:\n\
         \x20  {weir} link cut -s {r5}\n\
         \x20  {weir} link heal -s {r5}\n\n\
         Ctrl-C 结束 / ends it"
    ))
}
