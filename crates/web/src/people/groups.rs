//! Groups: who is in them, and who may change them and their rules.

use notify::store::Group;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Outcome},
    owner::Act,
    refusal::Refusal,
};

pub(crate) fn list(call: &Call) -> Outcome {
    let groups = call.groups(&*call.people.stores.look()?)?;
    let groups: Vec<Value> = groups.iter().map(|(name, group)| shown(name, group)).collect();
    Ok(Answer::Json(json!({ "groups": groups })))
}

fn shown(name: &str, group: &Group) -> Value {
    json!({"name": name, "owners": group.owners, "members": group.members})
}

/// Says who is in a group. Its owners may; an operator makes it.
pub(crate) fn put(call: &Call) -> Outcome {
    let store = call.people.stores.change()?;
    let name = call.place("name");
    let group: Group = call.json()?;
    call.authorize(&store, &notify::rule::Owner::Group(name.to_owned()), Act::Change)?;
    if group.owners.is_empty() && !call.visitor.account.operator {
        return Err(Refusal::unfit("A group has an owner, or nobody could change it any more."));
    }
    store.put_group(name, &group)?;
    tracing::info!(group = name, by = call.visitor.account.name, "a group was changed");
    Ok(Answer::Json(shown(name, &group)))
}

/// Who asks.
pub(crate) fn me(call: &Call) -> Outcome {
    let account = &call.visitor.account;
    let groups = call.groups(&*call.people.stores.look()?)?;
    let with = |names: fn(&Group) -> &Vec<String>| -> Vec<&str> {
        let with_me = groups.iter().filter(|(_, group)| names(group).contains(&account.name));
        with_me.map(|(name, _)| name.as_str()).collect()
    };
    Ok(Answer::Json(json!({
        "name": account.name,
        "operator": account.operator,
        "member_of": with(|group| &group.members),
        "owner_of": with(|group| &group.owners),
        "form_token": call.visitor.form_token,
    })))
}
