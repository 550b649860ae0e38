//! Permissions: what users may do in virtual hosts.

use broker::authorize::{Action, DEFAULT_VHOST, Permission, Resource};
use serde_json::{Value, json};

use super::user;
use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    site::Site,
};

/// A permission by names.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) user: String,
    pub(crate) vhost: String,
    permission: Permission,
}

impl Given {
    fn shown(&self) -> Value {
        json!({
            "user": self.user,
            "vhost": self.vhost,
            "configure": self.permission.configure.as_str(),
            "write": self.permission.write.as_str(),
            "read": self.permission.read.as_str(),
        })
    }
}

/// All that are written down, and those in `/` that users have by default.
pub(crate) fn all(site: &Site) -> Vec<Given> {
    let permissions = site.broker.permissions();
    let mut all: Vec<Given> = permissions
        .iter()
        .map(|(user, vhost, permission)| Given {
            user: user.to_string(),
            vhost: vhost.to_string(),
            permission: permission.clone(),
        })
        .collect();
    let by_default = site.users.list().into_iter().chain(user::built_in_guest(site));
    for user in by_default.filter(|user| user.default_access) {
        if permissions.get(&user.name, DEFAULT_VHOST).is_some() {
            continue;
        }
        if let Some(permission) = permissions.effective(&server::identity(&user), DEFAULT_VHOST) {
            let (vhost, permission) = (DEFAULT_VHOST.to_owned(), permission.clone());
            all.push(Given { user: user.name, vhost, permission });
        }
    }
    all.sort_by(|a, b| (&a.user, &a.vhost).cmp(&(&b.user, &b.vhost)));
    all
}

fn listed(call: &Call, given: Vec<Given>) -> Outcome {
    let row = |it: Given| Row::new(it.user.clone(), move || it.shown());
    list::answer(given.into_iter().map(row).collect(), &call.query)
}

/// `GET /api/permissions`.
pub(crate) fn list(call: &Call) -> Outcome {
    call.need(Action::SeePermissions, &Resource::Broker)?;
    listed(call, all(&call.site))
}

/// `GET /api/vhosts/NAME/permissions`.
pub(crate) fn of_vhost(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::SeePermissions, &Resource::VirtualHost(name))?;
    call.known_vhost(name)?;
    listed(call, all(&call.site).into_iter().filter(|it| it.vhost == name).collect())
}

/// `GET /api/users/NAME/permissions`.
pub(crate) fn of_user(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::SeePermissions, &Resource::User(name))?;
    user::known(&call.site, name)?;
    listed(call, all(&call.site).into_iter().filter(|it| it.user == name).collect())
}

fn known(call: &Call) -> Result<Option<Given>, Refusal> {
    let (vhost, name) = (call.place(0), call.place(1));
    call.known_vhost(vhost)?;
    user::known(&call.site, name)?;
    Ok(all(&call.site).into_iter().find(|it| it.vhost == vhost && it.user == name))
}

/// `GET /api/permissions/VHOST/USER`.
pub(crate) fn get(call: &Call) -> Outcome {
    call.need(Action::SeePermissions, &Resource::VirtualHost(call.place(0)))?;
    match known(call)? {
        Some(given) => Ok(Answer::Json(given.shown())),
        None => Err(Refusal::no_object(format!(
            "Not Found: user '{}' has no permission in vhost '{}'",
            shortened(call.place(1)),
            shortened(call.place(0))
        ))),
    }
}

/// `PUT /api/permissions/VHOST/USER`.
pub(crate) fn put(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::SetPermission, &Resource::VirtualHost(vhost))?;
    let fields = call.object()?;
    fields.need(&["configure", "write", "read"])?;
    let pattern = |name: &str| fields.text(name).map(Option::unwrap_or_default);
    let permission = Permission::new(pattern("configure")?, pattern("write")?, pattern("read")?)
        .map_err(|error| Refusal::bad_request(format!("invalid_regexp: {error}")))?;
    let before = known(call).map_err(Refusal::of_permission)?;
    call.forget_departed()?;
    call.site.broker.set_permission(name, vhost, permission)?;
    Ok(Answer::put(before.is_none()))
}

/// `DELETE /api/permissions/VHOST/USER`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::SetPermission, &Resource::VirtualHost(vhost))?;
    // What is not there is gone already (RabbitMQ).
    known(call)?;
    call.site.broker.clear_permission(name, vhost)?;
    Ok(Answer::Done)
}
