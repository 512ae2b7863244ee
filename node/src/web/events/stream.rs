//! One browser's stream of events (Server-Sent Events, WHATWG HTML §9.2). A
//! reader that falls behind is cut, not buffered: it comes back by itself and
//! resumes where it was. It refuses to pass for alive when nothing new is looked
//! for any more.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::hub::{Event, Opening};
use crate::api::Problem;
use crate::web::Web;
use crate::web::session::Session;

const HEARTBEAT: Duration = Duration::from_secs(10);
/// Nothing looked at for so long: what streams tell is no longer so.
const FROZEN: Duration = Duration::from_secs(10);
/// How long a stream waits for the place of the one that it displaced.
const PLACE: Duration = Duration::from_secs(1);
/// Pieces that may wait for the socket.
const QUEUE: usize = 8;
/// How long a piece may wait for room: then nobody reads.
const STUCK: Duration = Duration::from_secs(15);
/// How long the browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// A response body that a task feeds.
struct Fed(mpsc::Receiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

fn piece(event: &Event, id: Option<&str>) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {}\ndata: {}\n\n", event.name, event.data)
}

/// Everything that a stream begins with. What stands now gets its number only
/// with the last piece: cut before that, the browser begins again.
fn beginning(web: &Web, opening: &Opening) -> Vec<String> {
    let mut pieces = vec![RETRY.to_owned()];
    if opening.reset {
        pieces.push("event: reset\ndata: {}\n\n".into());
    }
    let last = opening.events.len().saturating_sub(1);
    for (at, event) in opening.events.iter().enumerate() {
        let number = match opening.resumed {
            true => Some(event.number),
            false => (at == last).then_some(opening.number),
        };
        let id = number.map(|number| web.events.id(number));
        pieces.push(piece(event, id.as_deref()));
    }
    pieces
}

pub(crate) async fn stream(
    State(web): State<Arc<Web>>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !web.looked.is_within(FROZEN) {
        let detail = "本节点的显示已停滞；请连接另一节点，并重启此节点 / what this node shows stands \
                      still; use another node, and restart this one";
        return Err(Problem::busy(detail));
    }
    let told = web.sessions.listen(&session).ok_or_else(Problem::not_signed_in)?;
    let listens = told.clone().drop_guard();
    let place = timeout(PLACE, web.streams.clone().acquire_owned()).await;
    let place = place.ok().and_then(Result::ok).ok_or_else(Problem::streams_full)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.filter(|id| !id.is_empty());
    let opening = web.events.open(last);
    let (feed, fed) = mpsc::channel(QUEUE);
    let (tasks, stop) = (web.tasks.clone(), web.stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = told.cancelled() => {}
            // However it ends, the browser comes back and resumes.
            _ = run(&web, &session, opening, &feed) => {}
        }
        drop((place, listens));
    });
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(([kind], Body::new(Fed(fed))).into_response())
}

/// Why a stream ends.
enum Ended {
    Gone,
    Behind,
    SignedOut,
}

async fn run(
    web: &Web,
    session: &Session,
    mut opening: Opening,
    feed: &mpsc::Sender<Bytes>,
) -> Result<(), Ended> {
    for piece in beginning(web, &opening) {
        send(feed, piece).await?;
    }
    opening.events.clear();
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.reset();
    loop {
        tokio::select! {
            event = opening.coming.recv() => match event {
                Ok(event) => send(feed, piece(&event, Some(&web.events.id(event.number)))).await?,
                Err(RecvError::Lagged(_)) => return Err(Ended::Behind),
                Err(RecvError::Closed) => return Err(Ended::Gone),
            },
            _ = beat.tick() => {
                let view = web.node.consensus.view().borrow().clone();
                if !web.sessions.still(session, &view.state) {
                    return Err(Ended::SignedOut);
                }
                if web.looked.is_within(FROZEN) {
                    send(feed, ": still here\n\n".into()).await?;
                }
            }
            () = feed.closed() => return Err(Ended::Gone),
        }
    }
}

async fn send(feed: &mpsc::Sender<Bytes>, piece: String) -> Result<(), Ended> {
    feed.send_timeout(piece.into(), STUCK).await.map_err(|_| Ended::Behind)
}
