//! Topic permissions: with which keys users may publish and bind.

use broker::authorize::{Action, Resource};
use serde_json::{Value, json};

use super::user;
use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
};

#[derive(Debug, Clone)]
struct Given {
    user: String,
    vhost: String,
    shown: Value,
}

fn all(call: &Call) -> Vec<Given> {
    let permissions = call.site.broker.permissions();
    let given = permissions.topics().map(|(user, vhost, exchange, limit)| Given {
        user: user.to_string(),
        vhost: vhost.to_string(),
        shown: json!({
            "user": &**user,
            "vhost": &**vhost,
            "exchange": &**exchange,
            "write": limit.write(),
            "read": limit.read(),
        }),
    });
    given.collect()
}

fn listed(call: &Call, wanted: impl Fn(&Given) -> bool) -> Outcome {
    let row = |it: Given| Row::new(it.user.clone(), move || it.shown.clone());
    let rows = all(call).into_iter().filter(wanted).map(row).collect();
    list::answer(rows, &call.query)
}

/// `GET /api/topic-permissions`.
pub(crate) fn list(call: &Call) -> Outcome {
    call.need(Action::SeePermissions, &Resource::Broker)?;
    listed(call, |_| true)
}

/// `GET /api/vhosts/NAME/topic-permissions`.
pub(crate) fn of_vhost(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::SeePermissions, &Resource::VirtualHost(name))?;
    call.known_vhost(name)?;
    listed(call, |it| it.vhost == name)
}

/// `GET /api/users/NAME/topic-permissions`.
pub(crate) fn of_user(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::SeePermissions, &Resource::User(name))?;
    user::known(&call.site, name)?;
    listed(call, |it| it.user == name)
}

/// `GET /api/topic-permissions/VHOST/USER`.
pub(crate) fn get(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::SeePermissions, &Resource::VirtualHost(vhost))?;
    call.known_vhost(vhost)?;
    user::known(&call.site, name)?;
    if !all(call).iter().any(|it| it.vhost == vhost && it.user == name) {
        return Err(Refusal::no_object(format!(
            "Not Found: user '{}' has no topic permission in vhost '{}'",
            shortened(name),
            shortened(vhost)
        )));
    }
    listed(call, |it| it.vhost == vhost && it.user == name)
}

/// `PUT /api/topic-permissions/VHOST/USER`.
pub(crate) fn put(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::SetPermission, &Resource::VirtualHost(vhost))?;
    let fields = call.object()?;
    fields.need(&["exchange", "write", "read"])?;
    let text = |name: &str| fields.text(name).map(Option::unwrap_or_default);
    let known = call.known_vhost(vhost).and_then(|_| user::known(&call.site, name));
    known.map_err(Refusal::of_permission)?;
    call.forget_departed()?;
    let exchange = text("exchange")?;
    let permissions = call.site.broker.permissions();
    let is_new = permissions.get_topic(name, vhost, exchange).is_none();
    let (write, read) = (text("write")?, text("read")?);
    call.site.broker.set_topic_permission(name, vhost, exchange, write, read)?;
    Ok(Answer::put(is_new))
}

/// `DELETE /api/topic-permissions/VHOST/USER`, `…/EXCHANGE`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::SetPermission, &Resource::VirtualHost(vhost))?;
    call.known_vhost(vhost)?;
    user::known(&call.site, name)?;
    let exchange = call.places.get(2).map(String::as_str);
    call.site.broker.clear_topic_permission(name, vhost, exchange)?;
    Ok(Answer::Done)
}
