//! Users.

use auth::{Credential, NewUser, Origin, Secret, StoredHash, Tags, UserDefinition};
use broker::authorize::{Action, Resource};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::{Call, Fields},
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    site::Site,
};

/// `GET /api/whoami`.
pub(crate) fn whoami(call: &Call) -> Outcome {
    Ok(Answer::Json(json!({
        "name": &*call.caller.identity.name,
        "tags": call.caller.tags,
        "is_internal_user": true,
    })))
}

/// The users there are, the built-in guest included while there is one.
pub(crate) fn all(site: &Site) -> Vec<UserDefinition> {
    let mut users = site.users.export();
    if let Some(guest) = built_in_guest(site) {
        let tags = guest.tags;
        users.push(UserDefinition {
            name: guest.name,
            password_hash: String::new(),
            hashing_algorithm: None,
            tags,
            limits: serde_json::Map::new(),
        });
        users.sort_by(|one, other| one.name.cmp(&other.name));
    }
    users
}

pub(crate) fn built_in_guest(site: &Site) -> Option<auth::User> {
    let guest = Secret::new("guest");
    let verdict = site.users.verify_at_once("guest", &guest, auth::Peer::Loopback);
    verdict?.ok().filter(|user| user.origin == Origin::BuiltIn)
}

fn shown(user: &UserDefinition) -> Value {
    let algorithm = user.hashing_algorithm.as_deref();
    json!({
        "name": user.name,
        "password_hash": user.password_hash,
        "hashing_algorithm": algorithm.unwrap_or("rabbit_password_hashing_sha256"),
        "tags": user.tags.iter().collect::<Vec<_>>(),
        "limits": user.limits,
    })
}

fn listed(call: &Call, users: &[UserDefinition]) -> Outcome {
    list::answer(users.iter().map(|user| Row::of(shown(user))).collect(), &call.query)
}

/// `GET /api/users`.
pub(crate) fn list(call: &Call) -> Outcome {
    call.need(Action::SeeUsers, &Resource::Broker)?;
    listed(call, &all(&call.site))
}

/// `GET /api/users/without-permissions`.
pub(crate) fn without_permissions(call: &Call) -> Outcome {
    call.need(Action::SeeUsers, &Resource::Broker)?;
    let given = super::permission::all(&call.site);
    let mut users = all(&call.site);
    users.retain(|user| !given.iter().any(|it| it.user == user.name));
    listed(call, &users)
}

/// The user that an address names.
///
/// # Errors
/// There is none.
pub(crate) fn known(site: &Site, name: &str) -> Result<UserDefinition, Refusal> {
    let user = all(site).into_iter().find(|user| user.name == name);
    user.ok_or_else(|| Refusal::no_object(format!("Not Found: no user '{}'", shortened(name))))
}

/// `GET /api/users/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    call.need(Action::SeeUsers, &Resource::User(call.place(0)))?;
    Ok(Answer::Json(shown(&known(&call.site, call.place(0))?)))
}

/// `PUT /api/users/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::ChangeUser, &Resource::User(name))?;
    let fields = call.object()?;
    let new =
        NewUser { credential: credential(&fields)?, tags: tags(&fields)?, default_access: false };
    // Or who comes after a deleted one would have what that one had.
    call.forget_departed()?;
    Ok(Answer::put(call.site.users.put(name, &new)?))
}

fn credential(fields: &Fields) -> Result<Credential, Refusal> {
    let (password, hash) = (fields.text("password")?, fields.text("password_hash")?);
    match (password, hash) {
        (Some(_), Some(hash)) if !hash.is_empty() => {
            Err(Refusal::bad_request("both_password_and_password_hash: give one of the two"))
        }
        (Some(""), _) | (None, Some("") | None) => Ok(Credential::NoPassword),
        (Some(password), _) => Ok(Credential::Password(Secret::new(password))),
        (None, Some(hash)) => {
            let algorithm = fields.text("hashing_algorithm")?;
            Ok(Credential::Hash(StoredHash::parse(hash, algorithm)?))
        }
    }
}

fn tags(fields: &Fields) -> Result<Tags, Refusal> {
    match fields.get("tags") {
        None => Err(Refusal::bad_request("tags_not_present: give 'tags', \"\" for none")),
        Some(tags) => serde_json::from_value(tags.clone())
            .map_err(|error| Refusal::bad_request(format!("'tags' are none: {error}"))),
    }
}

/// `DELETE /api/users/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::ChangeUser, &Resource::User(name))?;
    delete_one(call, name)?;
    Ok(Answer::Done)
}

fn delete_one(call: &Call, name: &str) -> Result<(), Refusal> {
    if built_in_guest(&call.site).is_some_and(|guest| guest.name == name) {
        return Err(Refusal::bad_request(
            "the built-in guest cannot be deleted; it works on this machine only, and a user of \
             that name takes its place: PUT /api/users/guest",
        ));
    }
    known(&call.site, name)?;
    call.site.users.delete(name)?;
    // What was allowed to them is forgotten now; else before the next of that name gets a right.
    call.forget_departed()
}

/// `POST /api/users/bulk-delete`.
pub(crate) fn bulk_delete(call: &Call) -> Outcome {
    let fields = call.object()?;
    fields.need(&["users"])?;
    let names: Option<Vec<&str>> = fields
        .get("users")
        .and_then(Value::as_array)
        .and_then(|items| items.iter().map(Value::as_str).collect());
    let names = names.ok_or_else(|| Refusal::bad_request("'users' is not a list of names"))?;
    for name in &names {
        call.need(Action::ChangeUser, &Resource::User(name))?;
    }
    for name in names {
        match delete_one(call, name) {
            // It is gone, which is what was asked for.
            Err(refusal) if refusal.status == axum::http::StatusCode::NOT_FOUND => {}
            other => other?,
        }
    }
    Ok(Answer::Done)
}

/// `GET /api/auth/hash_password/PASSWORD`.
pub(crate) fn hash_password(call: &Call) -> Outcome {
    call.need(Action::SeeUsers, &Resource::Broker)?;
    let password = Secret::new(call.place(0));
    Ok(Answer::Json(json!({"ok": call.site.users.hash_password(&password)?.text()})))
}

/// `GET /api/user-limits`, `/api/user-limits/USER`: of those that have some.
pub(crate) fn limits(call: &Call) -> Outcome {
    call.need(Action::SeeUsers, &Resource::Broker)?;
    let asked = call.places.first();
    if let Some(name) = asked {
        known(&call.site, name)?;
    }
    let users = call.site.users.export();
    let limited = users.iter().filter(|user| !user.limits.is_empty());
    let named = limited.filter(|user| asked.is_none_or(|name| user.name == *name));
    let row = |user: &UserDefinition| Row::of(json!({"user": user.name, "value": user.limits}));
    list::answer(named.map(row).collect(), &call.query)
}

/// `PUT /api/user-limits/USER/NAME`.
pub(crate) fn put_limit(call: &Call) -> Outcome {
    let fields = call.object()?;
    fields.need(&["value"])?;
    set_limit(call, fields.get("value"))
}

/// `DELETE /api/user-limits/USER/NAME`.
pub(crate) fn delete_limit(call: &Call) -> Outcome {
    set_limit(call, None)
}

fn set_limit(call: &Call, value: Option<&Value>) -> Outcome {
    let (user, name) = (call.place(0), call.place(1));
    call.need(Action::ChangeUser, &Resource::User(user))?;
    known(&call.site, user)?;
    if built_in_guest(&call.site).is_some_and(|guest| guest.name == user) {
        return Err(Refusal::bad_request(
            "the built-in guest has no limits; a user of that name takes its place: PUT \
             /api/users/guest",
        ));
    }
    call.site.users.change_limits(user, |limits| limits.set(name, value))?;
    Ok(Answer::Done)
}
