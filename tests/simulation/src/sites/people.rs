//! People at their screens: they launch plans at any site from any node, click
//! again, abort, and ask for one more repeat; some clicks come late and some
//! come twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use weir_model::fact::Target;
use weir_model::id::{ActivationId, IntentId, NodeId, PersonId, PlanId, SiteId, StepId};
use weir_model::intent::{Intent, IntentBody, Mode, Priority, SignedIntent};

use super::fixture::{Fixture, HEADS, PEOPLE, PLANS, room_of, zone_of};
use crate::dice::Dice;
use crate::world::World;

/// How long a person looks at the screen before doing something else.
const LOOKS: Duration = Duration::from_secs(5);

/// One person and what they remember.
struct Dispatcher {
    world: Arc<World>,
    fixture: Arc<Fixture>,
    dice: Dice,
    who: PersonId,
    /// What was launched last, and where.
    last: Option<(Intent, SignedIntent)>,
}

/// Acts until `last`.
pub(super) async fn act(
    world: Arc<World>,
    fixture: Arc<Fixture>,
    number: u64,
    last: Duration,
) -> anyhow::Result<()> {
    let mut dice = world.dice(2000 + number);
    let who = PersonId::new(dice.pick(&PEOPLE).unwrap_or(PEOPLE[0]))?;
    let mut person = Dispatcher { world: world.clone(), fixture, dice, who, last: None };
    while world.elapsed() < last {
        let pause = person.dice.between(500..20_000);
        sleep(Duration::from_millis(pause)).await;
        person.click().await?;
    }
    Ok(())
}

impl Dispatcher {
    async fn click(&mut self) -> anyhow::Result<()> {
        let at = self.dice.pick(&self.world.ids()).unwrap_or_default();
        let kind = self.dice.between(0..100);
        match (kind, self.last.clone()) {
            (0..25, Some((intent, signed))) => self.send(at, intent, signed).await,
            (25..32, Some((launch, _))) => {
                let activation = ActivationId(launch.id.0);
                let abort = IntentBody::Abort { activation };
                self.ask(at, launch.home, abort, launch.mode, 1).await?;
            }
            (32..40, Some((launch, _))) => {
                let (activation, step) = (ActivationId(launch.id.0), StepId::new("s1")?);
                let site: u64 = launch.home.as_str().trim_start_matches('R').parse()?;
                let head = self.dice.pick(&HEADS).unwrap_or(HEADS[0]);
                let target = match launch.body {
                    IntentBody::Launch { plan, .. } if plan.as_str() == PLANS[3] => {
                        Target::Person(PersonId::new(head)?)
                    }
                    IntentBody::Launch { plan, .. } if plan.as_str() == PLANS[4] => {
                        Target::Conference(room_of(site)?)
                    }
                    _ => Target::Zone(zone_of(site, 1)?),
                };
                let repeat = IntentBody::Repeat { activation, step, target };
                let attempt = u16::try_from(self.dice.between(2..4))?;
                self.ask(at, launch.home, repeat, launch.mode, attempt).await?;
            }
            _ => {
                let homes: Vec<&SiteId> = self.fixture.homes.values().collect();
                let home = self.dice.pick(&homes).cloned();
                let Some(home) = home else { return Ok(()) };
                // Most people want the same thing at the same time.
                let plan = if self.dice.permille(600) { PLANS[0] } else { PLANS[1] };
                let plan = if self.dice.permille(100) { PLANS[2] } else { plan };
                let plan = if self.dice.permille(250) { PLANS[3] } else { plan };
                let plan = if self.dice.permille(150) { PLANS[4] } else { plan };
                let plan = PlanId::new(plan)?;
                let version = self.fixture.directory.plan_hash(&plan)?.unwrap_or_default();
                let mode = if self.dice.permille(150) { Mode::Drill } else { Mode::Real };
                let launch = IntentBody::Launch { plan, version };
                self.last = self.ask(at, home, launch, mode, 1).await?;
            }
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        via: NodeId,
        home: SiteId,
        body: IntentBody,
        mode: Mode,
        attempt: u16,
    ) -> anyhow::Result<Option<(Intent, SignedIntent)>> {
        let issued = self.world.wall(via);
        let intent = Intent {
            id: IntentId(self.dice.id()),
            home,
            body,
            who: self.who.clone(),
            via,
            priority: Priority::Evacuation,
            mode,
            issued,
            not_after: issued.plus_ms(self.dice.pick(&[800, 4_000, 20_000, 120_000]).unwrap_or(0)),
            attempt,
        };
        let signed = self.fixture.sign(&intent)?;
        self.send(via, intent.clone(), signed.clone()).await;
        Ok(Some((intent, signed)))
    }

    /// Hands it to a node, if that one is up, and looks for a moment.
    async fn send(&mut self, at: NodeId, intent: Intent, signed: SignedIntent) {
        let Some((site, group)) = self.world.site(at) else { return };
        self.world.note("click", [at.0, intent.not_after.0, 0]);
        let sending = async move {
            site.outbox.send::<crate::runtime::SimRuntime>(intent, signed, LOOKS).await
        };
        // Ends early when the node falls; the person tries something else.
        let _ = group.spawn(self.world.next_seed(), sending).await;
    }
}
