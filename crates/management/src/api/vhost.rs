//! Virtual hosts.

use broker::{
    VirtualHost, VirtualHostMetadata,
    authorize::{Action, Permission, Resource},
    policy::UnknownQueueType,
};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::{Call, Fields},
    list::{self, Row},
    refusal::Refusal,
    site::Site,
    statistics::{self, CHANNEL, LEVELS},
};

/// `GET /api/vhosts`.
pub(crate) fn list(call: &Call) -> Outcome {
    let row = |vhost: std::sync::Arc<VirtualHost>| {
        let site = call.site.clone();
        Row::new(vhost.name().to_string(), move || described(&site, &vhost))
    };
    let vhosts = call.vhosts_for(Action::SeeVirtualHost);
    list::answer(vhosts.into_iter().map(row).collect(), &call.query)
}

/// `GET /api/vhosts/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let vhost = call.known_vhost(call.place(0))?;
    call.need(Action::SeeVirtualHost, &Resource::VirtualHost(vhost.name()))?;
    Ok(Answer::Json(described(&call.site, &vhost)))
}

/// `PUT /api/vhosts/NAME`. Whoever creates one may do everything there.
pub(crate) fn put(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::DeclareVirtualHost, &Resource::VirtualHost(name))?;
    let before = call.site.broker.vhost(name).ok().map(|vhost| vhost.metadata());
    let metadata = read(&call.object()?, before.unwrap_or_default())?;
    call.forget_departed()?;
    let is_new = call.site.broker.create_vhost(name, metadata)?;
    if is_new && !call.caller.identity.tags.owner {
        let user = &call.caller.identity.name;
        call.site.broker.set_permission(user, name, Permission::full().clone())?;
    }
    Ok(Answer::put(is_new))
}

fn read(
    fields: &Fields,
    mut metadata: VirtualHostMetadata,
) -> Result<VirtualHostMetadata, Refusal> {
    if let Some(description) = fields.text("description")? {
        metadata.description = description.to_owned();
    }
    if fields.get("tags").is_some() {
        metadata.tags = tags(fields)?;
    }
    for name in ["default_queue_type", "defaultqueuetype"] {
        match fields.text(name)? {
            None => {}
            Some("" | "undefined") => metadata.default_queue_type = None,
            Some(queue_type) => {
                let queue_type = queue_type.parse().map_err(|error: UnknownQueueType| {
                    Refusal::bad_request(format!("{error}; known are classic, quorum, stream"))
                })?;
                metadata.default_queue_type = Some(queue_type);
            }
        }
    }
    for name in ["protected_from_deletion", "protected"] {
        if fields.get(name).is_some() {
            metadata.protected_from_deletion = fields.flag(name)?;
        }
    }
    Ok(metadata)
}

/// A list, or words with commas between them.
fn tags(fields: &Fields) -> Result<Vec<String>, Refusal> {
    match fields.get("tags") {
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                let text = item.as_str().map(str::to_owned);
                text.ok_or_else(|| Refusal::bad_request("'tags' is not a list of texts"))
            })
            .collect(),
        _ => {
            let text = fields.text("tags")?.unwrap_or_default();
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(words.map(str::to_owned).collect())
        }
    }
}

/// `DELETE /api/vhosts/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let name = call.place(0);
    call.need(Action::DeleteVirtualHost, &Resource::VirtualHost(name))?;
    call.known_vhost(name)?;
    call.site.broker.delete_vhost(name)?;
    call.site.connections.forget_vhost(name);
    Ok(Answer::Done)
}

/// `POST /api/vhosts/NAME/start/NODE`: it runs already.
pub(crate) fn start(call: &Call) -> Outcome {
    call.need(Action::DeclareVirtualHost, &Resource::VirtualHost(call.place(0)))?;
    call.known_vhost(call.place(0))?;
    Ok(Answer::Done)
}

/// `POST /api/vhosts/NAME/deletion/protection`.
pub(crate) fn protect(call: &Call) -> Outcome {
    set_protected(call, true)
}

/// `DELETE /api/vhosts/NAME/deletion/protection`.
pub(crate) fn unprotect(call: &Call) -> Outcome {
    set_protected(call, false)
}

fn set_protected(call: &Call, protected_from_deletion: bool) -> Outcome {
    let name = call.place(0);
    call.need(Action::DeleteVirtualHost, &Resource::VirtualHost(name))?;
    let metadata = call.known_vhost(name)?.metadata();
    let metadata = VirtualHostMetadata { protected_from_deletion, ..metadata };
    call.site.broker.create_vhost(name, metadata)?;
    Ok(Answer::Done)
}

fn described(site: &Site, vhost: &VirtualHost) -> Value {
    let metadata = vhost.metadata();
    let queue_type = metadata.default_queue_type.map_or("undefined", |it| it.name());
    let mut levels = [0; LEVELS.len()];
    for queue in vhost.queues() {
        let counts = queue.counts();
        let (ready, unacknowledged) = (counts.ready as u64, counts.unacknowledged as u64);
        for (level, more) in levels.iter_mut().zip([ready + unacknowledged, ready, unacknowledged])
        {
            *level += more;
        }
    }
    let totals = site.connections.totals();
    let counts = totals.get(&**vhost.name()).map(statistics::channel).unwrap_or_default();
    let rates = site.samples.vhost(vhost.name());
    let (of_channels, of_levels) = rates.split_at(CHANNEL.len());
    let mut described = json!({
        "name": &**vhost.name(),
        "description": metadata.description,
        "tags": metadata.tags,
        "default_queue_type": queue_type,
        "protected_from_deletion": metadata.protected_from_deletion,
        "metadata": {
            "description": metadata.description,
            "tags": metadata.tags,
            "default_queue_type": queue_type,
        },
        "tracing": false,
        "cluster_state": {site.node.clone(): "running"},
    });
    if let Some(fields) = described.as_object_mut() {
        statistics::put_all(fields, &LEVELS, &levels, of_levels);
        if let Some(stats) = statistics::message_stats(&CHANNEL, &counts, of_channels) {
            fields.insert("message_stats".to_owned(), stats);
        }
    }
    described
}
