//! What is handed out becomes the notice that is told, or turns out not to be wanted any more.

use std::sync::Arc;

use event::{Description, Event};
use jiff::Timestamp;

use crate::{
    Audience, Matter, Notice, Place, Reason,
    store::{Item, Parcel},
};

/// What a parcel is at the moment of telling.
#[derive(Debug)]
pub(crate) enum Digested {
    Notice(Notice),
    /// Nobody wants it now.
    Silenced,
    /// What is kept of it makes no notice.
    Unreadable(String),
}

/// The notice of a parcel, without what its owner does not want to hear of at `now`.
pub(crate) fn notice(
    parcel: &Parcel,
    to: &Place,
    audience: &Audience,
    describe: impl Fn(&Event) -> Description,
    now: Timestamp,
) -> Digested {
    let items = match &parcel.items {
        Ok(items) => items,
        Err(reason) => return Digested::Unreadable(reason.clone()),
    };
    let mut reasons: Vec<Reason> = Vec::new();
    let mut matters = Vec::with_capacity(items.len());
    let mut received_at = now;
    for Item { event, reasons: of_item, received_at: at } in items {
        let description = describe(event);
        let still = audience.still(of_item, &description, now);
        if still.is_empty() {
            continue;
        }
        for reason in still {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        received_at = received_at.min(*at);
        matters.push(Matter { event: Arc::clone(event), description: Arc::new(description) });
    }
    if matters.is_empty() {
        return Digested::Silenced;
    }
    if parcel.left_out > 0 {
        matters.extend(left_out(parcel.left_out, matters.first()));
    }
    let mut matters = matters.into_iter();
    let Some(Matter { event, description }) = matters.next() else { return Digested::Silenced };
    let more = matters.collect();
    Digested::Notice(Notice { event, description, more, to: to.clone(), reasons, received_at })
}

/// What a digest says of those that it has no room for: an event, so that every medium shows it.
fn left_out(count: u64, first: Option<&Matter>) -> Option<Matter> {
    let topic = "tubepost.notify.left_out".parse().ok()?;
    let mut event = Event::new(topic, serde_json::json!({"count": count})).ok()?;
    // The same each time it is tried.
    event.id = format!("left-out-{count}-{}", first.map_or("", |first| first.event.id.as_str()));
    event.id.truncate(event.id.floor_char_boundary(255));
    let description =
        Description::bare("tubepost", &format!("{count} earlier events are left out here"));
    Some(Matter { event: event.into(), description: description.into() })
}
