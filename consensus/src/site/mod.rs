//! A site's part that needs no quorum: its journal, its home machine, the
//! intents that reach it and the facts that leave it. One task owns all of it
//! and carries the machine's outputs out strictly in order. It refuses to wait
//! for another site before it acts.

mod driver;
mod effects;
mod gate;
mod heads;
mod inbox;
mod journal;
mod outbox;
mod ship;
pub(crate) mod wire;

pub use driver::{OpenError, Settings, Site, SiteView};
pub use effects::{Effects, Report};
pub use gate::Gate;
pub use heads::announce;
pub use inbox::Full;
pub use journal::{Journal, JournalError, Reader, Writer};
pub use outbox::{Delivery, Outbox};
pub use wire::{ShipFrame, ShipOpening, SiteRequest, SiteResponse};
