//! Misbehaviour on purpose, so that a demonstration can show that its judge would
//! see it. Built only with the feature `planted`, which no release has; without
//! it nothing here does anything.

use weir_model::directory::Directory;
use weir_model::id::ZoneId;

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("`planted` is for demonstrations; a release must not misbehave on purpose");

/// Which fault the demonstration asks for.
#[cfg(feature = "planted")]
fn asked(fault: &str) -> bool {
    std::env::var("WEIR_PLANT").is_ok_and(|word| word == fault)
}

#[cfg(not(feature = "planted"))]
fn asked(_: &str) -> bool {
    false
}

/// Every page sounds twice.
pub(crate) fn pages_twice() -> bool {
    asked("double-page")
}

/// A page goes to another zone of the same site.
pub(crate) fn zone(directory: &Directory, ordered: ZoneId) -> ZoneId {
    if !asked("wrong-zone") {
        return ordered;
    }
    let site = directory.zones.get(&ordered).map(|zone| zone.site.clone());
    let other = directory.zones.values().find(|zone| Some(&zone.site) == site.as_ref());
    other.map_or(ordered, |zone| zone.id.clone())
}

/// Facts stay where they were written.
pub(crate) fn loses_facts() -> bool {
    asked("lost-fact")
}
