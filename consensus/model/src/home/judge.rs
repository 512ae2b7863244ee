//! What the home site makes of an intent: seen before, too late, not allowed,
//! joined, started. Judged by the site's own clock and its own copy of the
//! directory; nobody else is asked. Signatures were checked before.

use super::activation::{Activation, Phase, is_ours, zones_of};
use super::order::Output;
use super::step::{StepPhase, StepRun, TARGETS_MAX};
use super::{Home, Turn};
use crate::codec::DecodeError;
use crate::directory::{
    ATTENDEES_MAX, Action, CallRoster, Directory, Message, PEOPLE_PER_STEP_MAX, Plan, RoleKind,
    StepKind, is_trackable,
};
use crate::fact::{EffectKey, FactBody, NOTE_MAX_BYTES, Target};
use crate::id::{ActivationId, Hash, IntentId, PersonId, PlanId, SiteId, StepId, WallMs};
use crate::intent::{
    Claim, Intent, IntentBody, IntentRefusal, IntentStatus, Mode, Nature, SIGNATURE_BYTES,
    Signature, SignedIntent, Standing, WINDOW_MAX_MS, outranks,
};

impl From<IntentRefusal> for IntentStatus {
    fn from(refusal: IntentRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A fact to write, or an answer that changes nothing.
type Verdict = Result<FactBody, IntentStatus>;

impl Home {
    pub(super) fn arrived(
        &mut self,
        turn: &mut Turn<'_>,
        signed: SignedIntent,
        signature: &Signature,
    ) {
        let intent = match signed.open() {
            Ok(intent) => intent,
            Err(why) => return turn.answer(None, unreadable(&why)),
        };
        let id = intent.id;
        // What is not signed, or not ours, is not remembered: whoever sends a
        // forgery first must not take the id from the true one.
        if let Err(refusal) = self.admit(&intent, &signed, signature) {
            return turn.answer(Some(id), refusal.into());
        }
        if let Some(status) = self.seen_before(&intent, signed.hash()) {
            return turn.answer(Some(id), status);
        }
        let (now, steers) = (turn.now.wall, steers(&intent, turn.directory));
        if let Err(most) = self.room_for_intent(now, steers) {
            let status = match self.is_expired(&intent, now) {
                true => IntentStatus::Expired { not_after: intent.not_after, judged: now },
                false => IntentRefusal::IntentsFull { most }.into(),
            };
            return turn.answer(Some(id), status);
        }
        self.fact(turn, FactBody::IntentReceived { signed });
        self.judge(turn, id);
    }

    fn admit(
        &self,
        intent: &Intent,
        signed: &SignedIntent,
        signature: &Signature,
    ) -> Result<(), IntentRefusal> {
        if let Signature::Invalid { why } = signature {
            return Err(IntentRefusal::Unsigned { why: clip(why) });
        }
        if signed.signature.len() > SIGNATURE_BYTES {
            let why = format!("{} bytes", signed.signature.len());
            return Err(IntentRefusal::Unsigned { why });
        }
        if signed.signer != intent.via {
            return Err(IntentRefusal::Signer { signer: signed.signer, via: intent.via });
        }
        match intent.home == self.site {
            true => Ok(()),
            false => Err(IntentRefusal::NotHome { home: intent.home.clone() }),
        }
    }

    /// The same intent gets the same answer, and no second effect.
    fn seen_before(&self, intent: &Intent, hash: Hash) -> Option<IntentStatus> {
        #[cfg(feature = "planted")]
        if self.planted.dedupe_dropped {
            return None;
        }
        let reused = IntentRefusal::IdReused.into();
        match self.intents.get(&intent.id) {
            Some(known) if known.hash == hash => known.status.clone(),
            // The same click, stamped anew by a node that forgot it or by another.
            Some(known) if known.intent.asks_the_same(intent) => known.status.clone(),
            Some(_) => Some(reused),
            // Forgotten, but its run still shows.
            None => self.activations.contains_key(&ActivationId(intent.id.0)).then_some(reused),
        }
    }

    /// Judged by this site's own clock: an intent that comes too late does
    /// nothing, however good its reasons were.
    fn is_expired(&self, intent: &Intent, now: WallMs) -> bool {
        #[cfg(feature = "planted")]
        if self.planted.expiry_ignored {
            return false;
        }
        now > intent.not_after
    }

    /// Judges an intent that was written down; answers it.
    pub(super) fn judge(&mut self, turn: &mut Turn<'_>, id: IntentId) {
        let Some(intent) = self.intents.get(&id).map(|known| known.intent.clone()) else { return };
        let fact = self.verdict(turn, &intent);
        let fact = fact.unwrap_or_else(|status| FactBody::IntentJudged { intent: id, status });
        let (aborted, agreed) = match &fact {
            FactBody::IntentJudged { status: IntentStatus::Aborted { activation }, .. } => {
                (Some(*activation), None)
            }
            FactBody::ActivationStarted { agreed, .. } => (None, *agreed),
            _ => (None, None),
        };
        self.fact(turn, fact);
        if let Some(activation) = aborted {
            self.cease_all(turn, activation);
        }
        for id in agreed.into_iter().chain([id]) {
            if let Some(status) = self.status(&id).cloned() {
                turn.answer(Some(id), status);
            }
        }
    }

    fn verdict(&self, turn: &Turn<'_>, intent: &Intent) -> Verdict {
        let (now, directory) = (turn.now.wall, turn.directory);
        if self.is_expired(intent, now) {
            return Err(IntentStatus::Expired { not_after: intent.not_after, judged: now });
        }
        if intent.not_after.since(now) > WINDOW_MAX_MS {
            return Err(IntentRefusal::WindowTooLong { most_h: WINDOW_MAX_MS / 3_600_000 }.into());
        }
        match &intent.body {
            IntentBody::Launch { plan, version } => {
                self.launch(now, directory, intent, plan, *version)
            }
            IntentBody::Abort { activation } => self.abort(directory, intent, *activation),
            IntentBody::Confirm { activation, step, yes } => {
                let step = self.asking(directory, intent, *activation, step)?;
                Ok(FactBody::Confirmed {
                    activation: *activation,
                    step,
                    answer: Some(*yes),
                    intent: Some(intent.id),
                    since: now,
                })
            }
            IntentBody::Repeat { activation, step, target } => {
                let key = self.repeat(directory, intent, (*activation, step, target))?;
                Err(IntentStatus::Repeats { key })
            }
            IntentBody::Page { zone, audio, .. } => {
                self.page(now, directory, intent, (zone, audio))
            }
        }
    }

    fn launch(
        &self,
        now: WallMs,
        directory: &Directory,
        intent: &Intent,
        id: &PlanId,
        version: Hash,
    ) -> Verdict {
        let unknown = || IntentRefusal::PlanUnknown { plan: id.clone() };
        let plan = directory.plans.get(id).ok_or_else(unknown)?;
        let denied = IntentRefusal::Denied;
        directory.may_start(&intent.who, id, &self.site).map_err(denied)?;
        let have = directory.plan_hash(id).ok().flatten().ok_or_else(unknown)?;
        if have != version {
            return Err(IntentRefusal::PlanVersion { plan: id.clone(), have }.into());
        }
        if let Some(run) = self.run_to_join(id, intent.mode) {
            let (activation, who) = (run.id, intent.who.clone());
            return Ok(FactBody::ActivationJoined { intent: intent.id, activation, who });
        }
        let nature = Nature::of(plan.level, intent.mode);
        if let (Nature::Drill, Some(activation)) = (nature, self.real_warning()) {
            return Err(IntentRefusal::RealAlarm { activation }.into());
        }
        check_zones(plan, &self.site, directory)?;
        check_people(plan, &self.site, directory)?;
        let full = |most| IntentRefusal::ActivationsFull { most };
        self.room_for_activation(nature).map_err(full)?;
        let agreed = match plan.two_person {
            true => Some(self.second_person(now, intent, id, version)?),
            false => None,
        };
        Ok(FactBody::ActivationStarted {
            activation: ActivationId(intent.id.0),
            intent: intent.id,
            agreed,
            plan: id.clone(),
            version,
            level: plan.level,
            mode: intent.mode,
            who: intent.who.clone(),
            since: now,
        })
    }

    /// One run of a plan at a time, per site and mode.
    fn run_to_join(&self, plan: &PlanId, mode: Mode) -> Option<&Activation> {
        #[cfg(feature = "planted")]
        if self.planted.join_dropped {
            return None;
        }
        // A run that winds down, or whose plan is gone, begins nothing more: to
        // join it would be to wait for nothing.
        let open = |run: &&Activation| run.plan_held && run.phase == Phase::Running;
        self.running().filter(open).find(|run| run.plan == *plan && run.mode == mode)
    }

    /// The launch of another person that waits for this one.
    fn second_person(
        &self,
        now: WallMs,
        intent: &Intent,
        plan: &PlanId,
        version: Hash,
    ) -> Result<IntentId, IntentStatus> {
        let wanted = IntentBody::Launch { plan: plan.clone(), version };
        let mut waiting = self.intents.values().filter(|known| {
            matches!(known.status, Some(IntentStatus::AwaitsSecond { until }) if until >= now)
                && known.intent.body == wanted
                && known.intent.mode == intent.mode
        });
        match waiting.clone().find(|known| known.intent.who != intent.who) {
            Some(first) => Ok(first.intent.id),
            None if waiting.next().is_some() => Err(IntentRefusal::SamePerson.into()),
            None => Err(IntentStatus::AwaitsSecond { until: intent.not_after }),
        }
    }

    /// A run that may still be steered, in the mode that the intent names.
    fn steered(&self, id: ActivationId, mode: Mode) -> Result<&Activation, IntentRefusal> {
        let unknown = IntentRefusal::ActivationUnknown { activation: id };
        let run = self.activations.get(&id).ok_or(unknown)?;
        match run.is_alive() {
            false => Err(IntentRefusal::ActivationOver { activation: id }),
            true if run.mode != mode => Err(IntentRefusal::OtherMode { activation: id }),
            true => Ok(run),
        }
    }

    fn abort(&self, directory: &Directory, intent: &Intent, activation: ActivationId) -> Verdict {
        let run = self.steered(activation, intent.mode)?;
        let denied = IntentRefusal::Denied;
        directory.best_role(&intent.who, Action::AbortPlan, &self.site).map_err(denied)?;
        let standing = |who: &PersonId| standing(directory, who, &self.site);
        let (nature, who) = (Nature::Abort, &intent.who);
        let abort = Claim { nature, standing: standing(who), who };
        // It takes the word of everyone who launched it, not of the first.
        let stands = run.launches.iter().find(|launch| {
            let (standing, who) = (standing(&launch.who), &launch.who);
            !outranks(&abort, &Claim { nature: run.nature(), standing, who })
        });
        Err(match stands {
            Some(launch) => IntentStatus::Outranked { activation, by: launch.who.clone() },
            None => IntentStatus::Aborted { activation },
        })
    }

    fn asking(
        &self,
        directory: &Directory,
        intent: &Intent,
        activation: ActivationId,
        id: &StepId,
    ) -> Result<StepId, IntentRefusal> {
        let run = self.steered(activation, intent.mode)?;
        let not_asking = || IntentRefusal::NotAsking { step: id.clone() };
        let step = run.steps.iter().find(|step| step.id == *id).ok_or_else(not_asking)?;
        match (&step.kind, &step.phase) {
            (Some(StepKind::Confirm(confirm)), StepPhase::Waits { .. }) => {
                let (who, asks) = (&intent.who, Action::Confirm(confirm.by));
                directory.best_role(who, asks, &self.site).map_err(IntentRefusal::Denied)?;
                Ok(id.clone())
            }
            _ => Err(not_asking()),
        }
    }

    fn repeat(
        &self,
        directory: &Directory,
        intent: &Intent,
        (activation, id, target): (ActivationId, &StepId, &Target),
    ) -> Result<EffectKey, IntentRefusal> {
        let run = self.steered(activation, intent.mode)?;
        directory.may_start(&intent.who, &run.plan, &self.site).map_err(IntentRefusal::Denied)?;
        let not_repeatable = || IntentRefusal::NotRepeatable { step: id.clone() };
        let repeatable = |step: &&StepRun| step.id == *id && step.kind.is_some();
        let step = run.steps.iter().find(repeatable).ok_or_else(not_repeatable)?;
        let known = step.targets.get(target).ok_or_else(not_repeatable)?;
        let next = known.attempts.saturating_add(1);
        if known.over().is_none() {
            return Err(not_repeatable());
        }
        let most = step.attempts_max();
        if next > most {
            return Err(IntentRefusal::AttemptsUsed { most });
        }
        if intent.attempt != next {
            return Err(IntentRefusal::AttemptTaken { next });
        }
        let (step, target) = (id.clone(), target.clone());
        Ok(EffectKey { activation, step, target, attempt: next })
    }
}

impl Turn<'_> {
    fn answer(&mut self, intent: Option<IntentId>, status: IntentStatus) {
        self.out.push(Output::Answer { intent, status });
    }
}

/// Real warnings and what steers a run find room when nothing else does.
fn steers(intent: &Intent, directory: &Directory) -> bool {
    match &intent.body {
        IntentBody::Launch { plan, .. } => directory
            .plans
            .get(plan)
            .is_some_and(|plan| Nature::of(plan.level, intent.mode).warns()),
        IntentBody::Abort { .. } | IntentBody::Confirm { .. } | IntentBody::Repeat { .. } => true,
        IntentBody::Page { .. } => false,
    }
}

fn check_zones(plan: &Plan, site: &SiteId, directory: &Directory) -> Result<(), IntentRefusal> {
    if zones_of(plan, site, directory).len() <= TARGETS_MAX {
        return Ok(());
    }
    for step in &plan.steps {
        let StepKind::PaPlay(page) = &step.kind else { continue };
        let zones = directory.resolve(&page.zones, site);
        if zones.iter().filter(|zone| is_ours(directory, site, zone)).count() > TARGETS_MAX {
            return Err(IntentRefusal::TooManyZones { step: step.id.clone(), most: TARGETS_MAX });
        }
    }
    Ok(())
}

/// A list that no step could keep track of is refused whole, not cut short.
fn check_people(plan: &Plan, site: &SiteId, directory: &Directory) -> Result<(), IntentRefusal> {
    for step in &plan.steps {
        let (fits, most) = match &step.kind {
            StepKind::CallRoster(CallRoster { roster, .. })
            | StepKind::Message(Message { roster, .. }) => {
                let members = directory.members(roster, site);
                let people = members.iter().map(|member| &member.person);
                (is_trackable(people), PEOPLE_PER_STEP_MAX)
            }
            StepKind::ConferenceOpen(conference) => {
                let invited = directory.invited(conference, site).len();
                (invited <= ATTENDEES_MAX, ATTENDEES_MAX)
            }
            StepKind::PaPlay(_) | StepKind::Delay { .. } | StepKind::Confirm(_) => continue,
        };
        if !fits {
            return Err(IntentRefusal::TooManyPeople { step: step.id.clone(), most });
        }
    }
    Ok(())
}

/// On the spot is whoever has the duty at this very site.
fn standing(directory: &Directory, who: &PersonId, site: &SiteId) -> Standing {
    let Some(person) = directory.people.get(who) else { return Standing::Other };
    let reaching = person.roles.iter().filter(|held| held.sites.covers(site));
    let standings = reaching.map(|held| match held.role {
        RoleKind::SiteDuty if held.sites.names(site) => Standing::OnTheSpot,
        RoleKind::Commander => Standing::Commander,
        RoleKind::ChiefDispatcher => Standing::ChiefDispatcher,
        RoleKind::SiteDuty | RoleKind::Dispatcher | RoleKind::Admin => Standing::Other,
    });
    standings.max().unwrap_or(Standing::Other)
}

fn unreadable(why: &DecodeError) -> IntentStatus {
    IntentRefusal::Unreadable { why: why.to_string() }.into()
}

/// Cuts a text from outside to what a fact can hold.
pub(super) fn clip(text: &str) -> String {
    let mut end = text.len().min(NOTE_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
