//! What stands around each of a person's pages: where one is, whose it is, the way out.

use minijinja::{Value, context};

use crate::{
    asset::{ME_SCRIPT, ME_STYLE},
    page,
    people::{call::Call, refusal::Refusal},
    shown,
    view::encoded,
};

/// A page's HTML: `rest` is what its template needs besides the frame.
///
/// # Errors
/// The groups cannot be looked up.
pub(crate) fn page(call: &Call, tab: &str, rest: Value) -> Result<String, Refusal> {
    let account = &call.visitor.account;
    let owner = call.place("owner");
    let store = call.people.stores.look()?;
    let groups = call.groups(&store)?;
    let mine = groups.iter().filter(|(_, group)| {
        group.owners.contains(&account.name) || group.members.contains(&account.name)
    });
    let mut owners = vec![account.name.clone()];
    owners.extend(mine.take(OWNERS_MAX).map(|(name, _)| format!("group:{name}")));
    if !owners.iter().any(|one| one == owner) {
        owners.push(shown::line(owner, 255));
    }
    let tabs = context! {
        tab,
        name => shown::line(&account.name, 100),
        operator => account.operator,
        owner => shown::line(owner, 255),
        owners,
        is_own => owner == account.name,
        q => suffix(call),
        amp_q => suffix(call).replacen('?', "&", 1),
        form_token => call.visitor.form_token.clone().unwrap_or_default(),
        has_session => call.visitor.form_token.is_some(),
        me_style => ME_STYLE.path.as_str(),
        me_script => ME_SCRIPT.path.as_str(),
    };
    Ok(page::render(&format!("me/{tab}.html"), context! { ..rest, ..tabs }))
}

/// What an address ends in so that it stays with this owner.
pub(crate) fn suffix(call: &Call) -> String {
    let owner = call.place("owner");
    match owner == call.visitor.account.name {
        true => String::new(),
        false => format!("?owner={}", encoded(owner)),
    }
}

const OWNERS_MAX: usize = 100;
