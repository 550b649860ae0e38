//! Destinations of an owner: added when the code that was sent there was typed here.

use event::Event;
use notify::{Form, Kind, Place, PushSubscription, feed_url, rule::Owner, store::Destination};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Outcome},
    owner::Act,
    reference,
    refusal::Refusal,
};

pub(crate) fn list(call: &Call) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::Change)?;
    let all: Vec<Value> = store.destinations(&owner)?.iter().map(shown).collect();
    let waiting: Vec<Value> = call
        .people
        .codes
        .waiting(&owner.to_string())
        .iter()
        .map(|id| json!({"id": reference::name(id), "shown": reference::shown(id)}))
        .collect();
    let kinds: Vec<&str> = addable(call).map(Kind::name).collect();
    let push_key = &call.people.ways.push_key;
    Ok(Answer::Json(
        json!({"destinations": all, "waiting": waiting, "kinds": kinds, "push_key": push_key}),
    ))
}

fn shown(one: &Destination) -> Value {
    json!({
        "id": reference::name(&one.id),
        "kind": one.kind(),
        "shown": one.shown(),
        "enabled": one.enabled,
    })
}

/// The kinds that somebody can add here by typing an address.
pub(crate) fn addable(call: &Call) -> impl Iterator<Item = Kind> + '_ {
    call.people.ways.kinds.iter().copied().filter(|kind| is_typed(*kind))
}

/// A feed of their own: its addresses are its key, made here and shown once.
fn make_feed(call: &Call) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let (destination, secret) = store.make_feed(&owner)?;
    let by = &call.visitor.account.name;
    tracing::info!(%owner, by, feed = destination.id, "a feed was made");
    let base = &call.people.ways.feed_url;
    let addresses = [Form::Atom, Form::Rss].map(|form| feed_url(base, secret.expose(), form));
    let mut said = shown(&destination);
    said["addresses"] = json!(addresses);
    Ok(Answer::Made(said))
}

/// A feed's address is made by the server, a browser's by the browser.
fn is_typed(kind: Kind) -> bool {
    !matches!(kind, Kind::Feed | Kind::Push)
}

pub(crate) fn add(call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        id: Option<String>,
        subscription: Option<Value>,
    }
    match call.json()? {
        Wanted { id: Some(id), subscription: None } => begin(call, id.trim()),
        Wanted { id: None, subscription: Some(it) } => add_browser(call, &it.to_string()),
        _ => Err(Refusal::bad_request(
            "Say either an id, KIND:ADDRESS, or the subscription of a browser.",
        )),
    }
}

/// A browser that subscribed. There is no code: nobody but the browser knows its keys.
pub(crate) fn add_browser(call: &Call, subscription: &str) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    if !call.people.ways.kinds.contains(&Kind::Push) {
        return Err(Refusal::unfit(not_here(call, Kind::Push)));
    }
    let subscription = PushSubscription::from_json(subscription)
        .map_err(|why| Refusal::unfit(format!("subscription: {why}")))?;
    let destination = Destination::new(&format!("push:{}", subscription.address()))?;
    keep(call, &owner, &destination)?;
    Ok(Answer::Made(shown(&destination)))
}

/// Sends a code there.
pub(crate) fn begin(call: &Call, id: &str) -> Outcome {
    if id == "feed:" && call.people.ways.kinds.contains(&Kind::Feed) {
        return make_feed(call);
    }
    // Made when there is none: from then on a notifier runs, which sends the code, too.
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let destination = Destination::new(id)?;
    let place: Place = id.parse().map_err(|why: String| Refusal::unfit(why))?;
    let kind = place.kind();
    if !call.people.ways.kinds.contains(&kind) || !is_typed(kind) {
        return Err(Refusal::unfit(not_here(call, kind)));
    }
    let there = store.destinations(&owner)?;
    // One that bounced is disabled; with a new code it is used again.
    if reference::find(&there, id).is_some_and(|one| one.enabled) {
        return Ok(Answer::Json(added(call, &destination, &place)));
    }
    if left(call, &place)? {
        return Err(Refusal::unfit(format!(
            "Whoever reads {} has unsubscribed from this server's mail; an operator ends that with \
             tubepost notify silence {} --resume.",
            place.shown(),
            place.address()
        )));
    }
    let asker = &call.visitor.account.name;
    let code = call.people.codes.begin(asker, &owner.to_string(), id, &place.key())?;
    let why = format!("{asker} adds this address to the destinations of {owner}");
    let outbox = call.people.stores.outbox()?;
    outbox.tell(code_event(&owner, &code)?, &place, &why, &owner)?;
    store.nudge()?;
    tracing::info!(%owner, by = asker, place = place.shown(), "a code was sent to a new address");
    let said = "A code is on its way there; POST it to …/destinations/verify within 15 minutes.";
    Ok(Answer::Accepted(json!({
        "id": reference::name(id),
        "shown": destination.shown(),
        "next": said,
    })))
}

fn code_event(owner: &Owner, code: &str) -> Result<Event, Refusal> {
    let broken = |error: String| {
        tracing::error!(error, "no code can be sent");
        Refusal::unavailable("No code can be sent now; try again.")
    };
    let topic = TOPIC.parse().map_err(|error: event::Error| broken(error.to_string()))?;
    let body = json!({"owner": owner.to_string(), "code": code});
    let mut event = Event::new(topic, body).map_err(|error| broken(error.to_string()))?;
    event.schema = Some(TOPIC.to_owned());
    event.sent_at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).ok();
    Ok(event)
}

/// Whether who reads there used the way out that stands in each mail: of codes there is no rule
/// that could be ended.
fn left(call: &Call, place: &Place) -> Result<bool, Refusal> {
    let key = place.key();
    let Some(address) = key.strip_prefix("mail:") else { return Ok(false) };
    let Ok(reader) = address.parse::<Owner>() else { return Ok(false) };
    Ok(call.people.stores.look()?.silence(&reader)?.paused)
}

fn not_here(call: &Call, kind: Kind) -> String {
    let here: Vec<&str> = addable(call).map(Kind::name).collect();
    let mend = match kind {
        Kind::Mail => "the operator sets [notify.mail]".to_owned(),
        Kind::Webhook => "the operator sets notify.webhook.secret_file".to_owned(),
        Kind::Ntfy => "the operator sets notify.ntfy.url".to_owned(),
        Kind::Feed => "write feed: and nothing behind it, to have one made".to_owned(),
        Kind::Push if call.people.ways.push_key.is_some() => {
            "a browser is added by its subscription".to_owned()
        }
        Kind::Push => "the operator sets notify.push.contact".to_owned(),
        kind => format!("the operator sets [notify.{kind}], where this release has it"),
    };
    let here = match here.is_empty() {
        true => "none".to_owned(),
        false => here.join(", "),
    };
    format!("{kind} cannot be added here: {mend}. Kinds that can: {here}.")
}

pub(crate) fn verify(call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed {
        id: String,
        code: String,
    }
    let Typed { id, code } = call.json()?;
    finish(call, id.trim(), &code)
}

/// Adds it, if the code is right.
pub(crate) fn finish(call: &Call, named: &str, code: &str) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::Change)?;
    let of = owner.to_string();
    let waiting = call.people.codes.waiting(&of);
    let meant = waiting.iter().find(|id| *id == named || reference::name(id) == named);
    let id = meant.map_or(named, String::as_str);
    call.people.codes.check(&of, id, code)?;
    let destination = Destination::new(id)?;
    let place: Place = id.parse().map_err(|why: String| Refusal::unfit(why))?;
    keep(call, &owner, &destination)?;
    Ok(Answer::Made(added(call, &destination, &place)))
}

fn keep(call: &Call, owner: &Owner, destination: &Destination) -> Result<(), Refusal> {
    call.people.stores.change()?.put_destination(owner, destination)?;
    // What it refused before was another's, or another time's.
    if let Some(outbox) = call.people.stores.look_at_outbox()? {
        outbox.forgive(destination)?;
    }
    let by = &call.visitor.account.name;
    tracing::info!(%owner, by, place = destination.shown(), "a destination was added");
    Ok(())
}

fn added(call: &Call, destination: &Destination, place: &Place) -> Value {
    let mut said = shown(destination);
    if let (Some(webhook), Kind::Webhook) = (&call.people.ways.webhook, place.kind()) {
        said["secret"] = webhook.secret_of(place).into();
    }
    said
}

pub(crate) fn remove(call: &Call) -> Outcome {
    let named = call.parameter("id").ok_or_else(|| {
        Refusal::bad_request("Say which: ?id=mail:ada%40example.org, as the list has it.")
    })?;
    take_away(call, named)
}

/// Removes one, or forgets one that waits for its code.
pub(crate) fn take_away(call: &Call, named: &str) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let all = store.destinations(&owner)?;
    let Some(one) = reference::find(&all, named) else {
        return Err(Refusal::not_found(format!("{owner} has no such destination.")));
    };
    store.remove_destination(&owner, &one.id)?;
    let by = &call.visitor.account.name;
    tracing::info!(%owner, by, place = one.shown(), "a destination was removed");
    Ok(Answer::Done)
}

const TOPIC: &str = "tubepost.notify.verify";
