//! A conference's telephones: how they are called, answered, asked for a key, put
//! into the room and let go, and what they say meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use weir_model::directory::AutoAnswer;
use weir_signaling::digits::{self, Way};
use weir_signaling::focus::{Dial, Event, Input, LegId, NotPlaced, PlaceId};
use weir_signaling::sdp::{self, SdpError, Session, Writer};

use super::house::Letter;
use super::legs::{Leg, Place, Placing};
use super::sound;
use super::task::Task;
use crate::sip::{Call, CallError, CallEvent, Changes, Incoming, Outgoing};
use crate::voice::mixer::{self, MixerError, Part, Prompt};

/// How long SIP may take to say whether a call is on its way.
const PLACED_WITHIN: Duration = Duration::from_secs(5);
/// For the announcement, before anybody is rung who is to hear it.
const PROMPT_WITHIN: Duration = Duration::from_secs(16);
/// The focus gives up first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody hung up, as far as the far side told: the way to it is lost.
fn is_lost(why: &str) -> bool {
    let willed = ["hung up", "gave up"];
    !willed.iter().any(|said| why.contains(said))
}

/// Session ids for SDP: a positive number that fits what old phones read it into.
fn session(tag: u64) -> u64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from(u32::from_be_bytes(bytes) >> 1),
        // Unlike others of this conference is all that is left.
        Err(_) => tag,
    }
}

/// What a caller is told who is not let in.
fn words(code: u16) -> &'static str {
    match code {
        403 => {
            "会议已锁定或未邀请您，请联系会议发起人 / the conference is locked, or you are not \
             invited; ask whoever called it"
        }
        486 => "会议已满，请稍后再拨 / the conference is full; try again later",
        480 => "会议已结束 / the conference has ended",
        _ => "无法加入会议，请稍后再拨 / you cannot join now; try again later",
    }
}

impl Task {
    /// Nobody hears it, and it hears nobody, until it is told otherwise.
    fn make_place(&mut self) -> Result<Place, MixerError> {
        let tag = self.tag();
        let seat = self.room.add(tag, Part::Person)?;
        seat.deaf(true);
        seat.mute(true);
        let at = seat.address().ok_or(MixerError::Stopped)?;
        let writer = Writer::new(session(tag), at);
        let offered = sound::offered(&writer);
        Ok(Place { seat: Arc::new(seat), tag, writer, offered })
    }

    pub(super) fn place(
        &mut self,
        id: PlaceId,
        who: String,
        dial: &Dial,
        ring_ms: u64,
    ) -> Option<Input> {
        let mut place = match self.make_place() {
            Ok(place) => place,
            Err(error) => {
                tracing::warn!(who, %error, "nobody can be rung");
                return Some(Input::NotPlaced { place: id, why: NotPlaced::Full });
            }
        };
        let outgoing = Outgoing {
            to: dial.number.clone(),
            dial: dial.dial.clone(),
            from: self.about.from.clone(),
            from_name: self.about.from_name.clone(),
            auto_answer: AutoAnswer::Device,
            offer: place.writer.write(&place.offered),
            answer_within: Duration::from_millis(ring_ms) + PATIENCE,
            max_forwards: 70,
            changes: Changes::Ask,
        };
        self.places.insert(id, Placing { place, who, number: dial.number.clone() });
        let (house, own) = (self.house.clone(), self.own.clone());
        let (asks, mut prompt) = (self.about.confirm.is_some(), self.prompt.clone());
        let ceased = self.ceased.token().clone();
        self.house.tasks.spawn(async move {
            let placed = async {
                if asks {
                    let made = prompt.wait_for(Option::is_some);
                    let _beeps_then = timeout(PROMPT_WITHIN, made).await;
                }
                place_all(&house, outgoing).await
            };
            let placed = tokio::select! {
                biased;
                () = ceased.cancelled() => Err(NotPlaced::Unreachable),
                placed = placed => placed,
            };
            // Calls that nobody waits for any more are hung up with the letter.
            let _over = own.send(Letter::Placed(id, placed)).await;
        });
        None
    }

    pub(super) fn placed(&mut self, place: PlaceId, placed: Result<Vec<Call>, NotPlaced>) -> Input {
        let known = self.places.remove(&place);
        let (calls, known) = match (placed, known) {
            (Ok(calls), Some(known)) => (calls, known),
            (Err(why), _) => return Input::NotPlaced { place, why },
            (Ok(_), None) => return Input::NotPlaced { place, why: NotPlaced::Unreachable },
        };
        let Placing { place: at, who, number } = known;
        let mut legs = Vec::new();
        for call in calls {
            let peer = call.peer();
            let leg = self.legs.add(Leg::new(call, peer, &number, at.clone()));
            self.whose.insert(leg, (who.clone(), std::time::Instant::now()));
            legs.push(leg);
        }
        Input::Placed { place, legs }
    }

    /// Somebody calls the room.
    pub(super) async fn call_in(&mut self, incoming: Incoming) -> Option<Input> {
        let Incoming { from, offer, source, call, .. } = incoming;
        if self.finished {
            call.refuse(480, words(480)).await;
            return None;
        }
        let offer = match read_offer(&offer) {
            Ok(offer) => offer,
            Err(error) => {
                call.refuse(error.code(), &error.to_string()).await;
                return None;
            }
        };
        let place = match self.make_place() {
            Ok(place) => place,
            Err(error) => {
                call.refuse(503, &error.to_string()).await;
                return None;
            }
        };
        let mut leg = Leg::new(call, source.ip(), &from, place);
        leg.offer = offer;
        let leg = self.legs.add(leg);
        Some(Input::CallIn { leg, number: from })
    }

    pub(super) async fn answer(&mut self, id: LegId, who: String) {
        self.whose.insert(id, (who, std::time::Instant::now()));
        let Some(leg) = self.legs.get_mut(id) else { return };
        let offer = leg.offer.take();
        let agreed = offer.as_ref().and_then(|offer| sound::agreed(&offer.audio));
        let text = match (&offer, agreed) {
            (Some(offer), Some(agreed)) => {
                leg.place.writer.follow(offer);
                leg.place.writer.write(&agreed)
            }
            // It called without an offer: its ACK has the answer to ours.
            (_, _) => {
                leg.waits = true;
                leg.place.writer.write(&leg.place.offered)
            }
        };
        leg.call.answer(text).await;
        if let Some(offer) = offer {
            leg.aim(&offer.audio);
        }
    }

    pub(super) async fn refuse(&mut self, leg: LegId, code: u16) {
        self.whose.remove(&leg);
        if let Some(leg) = self.legs.remove(leg) {
            leg.call.refuse(code, words(code)).await;
        }
    }

    pub(super) fn ask(&mut self, leg: LegId) {
        self.asked.insert(leg);
        let prompt = self.prompt.borrow().clone();
        if let Some(leg) = self.legs.get(leg) {
            let beeps = || sound::prompt(&std::collections::BTreeMap::new());
            let prompt: Prompt = prompt.unwrap_or_else(beeps);
            leg.place.seat.prompt(Some(prompt));
        }
    }

    pub(super) fn seat(&mut self, leg: LegId, mute: bool) {
        let asked = self.asked.remove(&leg);
        let Some(leg) = self.legs.get(leg) else { return };
        let seat = &leg.place.seat;
        seat.mute(mute);
        seat.deaf(false);
        if asked {
            seat.prompt(None);
        }
    }

    pub(super) fn hang_up(&mut self, leg: LegId) {
        if let Some(leg) = self.take_leg(leg) {
            // It takes as long as the far side takes to agree.
            self.house.tasks.spawn(leg.call.hang_up());
        }
    }

    fn take_leg(&mut self, leg: LegId) -> Option<Leg> {
        self.asked.remove(&leg);
        self.whose.remove(&leg);
        self.legs.remove(leg)
    }

    /// Of no use to us; the focus hears the same as of one that refused.
    fn fails(&mut self, leg: LegId) -> Vec<Input> {
        self.hang_up(leg);
        vec![Input::Heard { leg, event: Event::Refused { code: 488 } }]
    }

    fn last(&mut self, leg: LegId, event: Event) -> Vec<Input> {
        drop(self.take_leg(leg));
        vec![Input::Heard { leg, event }]
    }

    pub(super) async fn said(&mut self, leg: LegId, event: Option<CallEvent>) -> Vec<Input> {
        match event {
            Some(CallEvent::Ringing { .. }) => {
                vec![Input::Heard { leg, event: Event::Ringing }]
            }
            Some(CallEvent::Answered { sdp, .. }) => self.answered(leg, &sdp).await,
            Some(CallEvent::Refused { code, .. }) => self.last(leg, Event::Refused { code }),
            Some(CallEvent::Silent) => self.last(leg, Event::Silent),
            Some(CallEvent::Ended { why }) if is_lost(&why) => self.last(leg, Event::Lost),
            Some(CallEvent::Ended { .. }) | None => self.last(leg, Event::Ended),
            Some(CallEvent::Confirmed { sdp }) => self.confirmed(leg, &sdp),
            Some(CallEvent::Changed { sdp }) => {
                self.changed(leg, &sdp).await;
                Vec::new()
            }
            Some(CallEvent::Agreed { sdp }) => self.moved(leg, &sdp),
            Some(CallEvent::Declined { .. }) => {
                let waits = self.legs.get(leg).is_some_and(|leg| leg.waits);
                if waits { self.fails(leg) } else { Vec::new() }
            }
            Some(CallEvent::Info { kind, body }) => {
                let now_ms = self.now_ms();
                let key = digits::info::read(&kind, &body);
                let sits = self.legs.get_mut(leg).filter(|leg| leg.sits);
                let key = key.zip(sits).and_then(|(key, leg)| {
                    leg.pressed(now_ms, key.digit, Way::Info, u64::from(key.held_ms))
                });
                let heard = |key| Input::Heard { leg, event: Event::Key(key) };
                key.map(heard).into_iter().collect()
            }
            Some(CallEvent::Trying) => Vec::new(),
        }
    }

    async fn answered(&mut self, id: LegId, sdp: &str) -> Vec<Input> {
        let Some(tag) = self.legs.get(id).map(|leg| leg.place.tag) else { return Vec::new() };
        if self.legs.at(tag).is_some_and(|other| other != id) {
            return self.move_over(id).await;
        }
        self.moved_to(id, sdp)
    }

    /// Another contact of the same number has answered before, and sits where
    /// this one was told to send: it gets a place of its own.
    async fn move_over(&mut self, id: LegId) -> Vec<Input> {
        let Ok(mut place) = self.make_place() else { return self.fails(id) };
        let text = place.writer.write(&place.offered);
        if let Some(leg) = self.legs.get_mut(id) {
            (leg.place, leg.waits) = (place, true);
            leg.call.change(text).await;
        }
        Vec::new()
    }

    /// The answer to a change of ours.
    fn moved(&mut self, id: LegId, sdp: &str) -> Vec<Input> {
        match self.legs.get_mut(id).filter(|leg| leg.waits) {
            Some(leg) => leg.waits = false,
            None => return Vec::new(),
        }
        self.moved_to(id, sdp)
    }

    fn moved_to(&mut self, id: LegId, sdp: &str) -> Vec<Input> {
        if self.hear_answer(id, sdp) {
            return vec![Input::Heard { leg: id, event: Event::Answered }];
        }
        self.fails(id)
    }

    fn hear_answer(&mut self, id: LegId, sdp: &str) -> bool {
        let Some(leg) = self.legs.get_mut(id) else { return true };
        match sdp::read_answer(sdp, &leg.place.offered) {
            Ok(session) => {
                if let Some((_, since)) = self.whose.get_mut(&id) {
                    *since = std::time::Instant::now();
                }
                leg.aim(&session.audio)
            }
            Err(error) => {
                tracing::warn!(number = leg.number, %error, "an answer is of no use");
                false
            }
        }
    }

    /// Its ACK, perhaps with the answer to what we had to offer.
    fn confirmed(&mut self, id: LegId, sdp: &str) -> Vec<Input> {
        let Some(leg) = self.legs.get_mut(id).filter(|leg| leg.waits) else { return Vec::new() };
        leg.waits = false;
        if self.hear_answer(id, sdp) {
            return Vec::new();
        }
        self.hang_up(id);
        vec![Input::Heard { leg: id, event: Event::Ended }]
    }

    /// It wants another session: hold, resume, a new address.
    async fn changed(&mut self, id: LegId, sdp: &str) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        let session = match read_offer(sdp) {
            Ok(session) => session,
            // All stays as it is.
            Err(error) => return leg.call.refuse(error.code(), &error.to_string()).await,
        };
        let agreed = session.as_ref().and_then(|session| sound::agreed(&session.audio));
        let (Some(session), Some(agreed)) = (session, agreed) else {
            leg.waits = true;
            let text = leg.place.writer.write(&leg.place.offered);
            return leg.call.agree(text).await;
        };
        leg.place.writer.follow(&session);
        let text = leg.place.writer.write(&agreed);
        leg.call.agree(text).await;
        leg.aim(&session.audio);
    }

    pub(super) fn listen(&mut self, heard: mixer::Heard) -> Vec<Input> {
        match heard {
            mixer::Heard::Digit { who, digit, way, .. } => {
                let now_ms = self.now_ms();
                let Some(id) = self.legs.at(who) else { return Vec::new() };
                let leg = self.legs.get_mut(id);
                let key = leg.and_then(|leg| leg.pressed(now_ms, digit, way, 0));
                let heard = |key| Input::Heard { leg: id, event: Event::Key(key) };
                key.map(heard).into_iter().collect()
            }
            // Whoever says nothing may listen: it is shown, not hung up.
            mixer::Heard::Quiet { .. } => Vec::new(),
        }
    }
}

/// `None`: there is none, and we are asked to offer.
fn read_offer(sdp: &str) -> Result<Option<Session>, SdpError> {
    if sdp.trim().is_empty() {
        return Ok(None);
    }
    let session = sdp::read(sdp)?;
    match sound::agreed(&session.audio) {
        Some(_) => Ok(Some(session)),
        None => Err(SdpError::NoFormat),
    }
}

async fn place_all(house: &super::house::House, call: Outgoing) -> Result<Vec<Call>, NotPlaced> {
    // Never closed; without it there would only be more of a rush.
    let _turn = house.placing.acquire().await;
    match timeout(PLACED_WITHIN, house.sip.call_all(call)).await {
        Ok(Ok(calls)) => Ok(calls),
        Ok(Err(CallError::NotRegistered(_))) => Err(NotPlaced::NotRegistered),
        Ok(Err(CallError::Unreachable(_))) => Err(NotPlaced::Unreachable),
        Ok(Err(CallError::TooMany(_) | CallError::TooLarge | CallError::Stopped)) | Err(_) => {
            Err(NotPlaced::Full)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_lost;

    /// The words that SIP has for the end of a call.
    #[test]
    fn who_hung_up_is_not_rung_again_and_who_was_lost_is() {
        let willed = [
            "对方挂断 / the far side hung up",
            "对方在应答前挂断 / the caller hung up before the answer",
            "对方在应答前取消 / the caller gave up before the answer",
        ];
        assert!(willed.into_iter().all(|why| !is_lost(why)));
        let lost = [
            "连接已断开 / the connection was lost",
            "会话定时器到期，对方没有音讯 / the session timer ran out",
            "对方已不在通话中 / the far side is no longer in the call",
            "对方没有应答 / the far side did not answer",
        ];
        assert!(lost.into_iter().all(is_lost));
    }
}
