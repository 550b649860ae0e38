//! Exchanges.

use broker::{Arguments, ExchangeDeclaration, ExchangeKind, VirtualHost};
use bytestring::ByteString;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    detailed,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    statistics::{self, EXCHANGE},
    view::View,
};

/// The exchange that an address names: RabbitMQ calls the default one so, as it has no name.
pub(crate) fn named(name: &str) -> &str {
    match name {
        "amq.default" => "",
        name => name,
    }
}

/// `GET /api/exchanges`, `/api/exchanges/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    let view = View::of(&call.site);
    let mut rows = Vec::new();
    for vhost in call.vhosts_at(0)? {
        let mut exchanges = vhost.exchanges();
        exchanges.push(default_exchange());
        exchanges.sort_by(|one, other| one.name.cmp(&other.name));
        rows.extend(exchanges.into_iter().map(|exchange| {
            let (view, vhost) = (view.clone(), vhost.clone());
            let name = exchange.name.to_string();
            Row::new(name, move || described(&view, &vhost, &exchange))
        }));
    }
    list::answer(rows, &call.query)
}

/// `GET /api/exchanges/VHOST/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    let exchange = known(&vhost, named(call.place(1)))?;
    let view = View::of(&call.site);
    let mut described = described(&view, &vhost, &exchange);
    if let Some(fields) = described.as_object_mut() {
        let incoming = detailed::incoming_of_exchange(&view, &vhost, &exchange.name);
        let outgoing = detailed::outgoing_of_exchange(&view, &vhost, &exchange.name);
        fields.insert("incoming".to_owned(), incoming);
        fields.insert("outgoing".to_owned(), outgoing);
    }
    Ok(Answer::Json(described))
}

pub(crate) fn known(vhost: &VirtualHost, name: &str) -> Result<ExchangeDeclaration, Refusal> {
    if name.is_empty() {
        return Ok(default_exchange());
    }
    vhost.exchange(name).ok_or_else(|| {
        Refusal::no_object(format!(
            "Not Found: no exchange '{}' in vhost '{}'",
            shortened(name),
            vhost.name()
        ))
    })
}

/// `PUT /api/exchanges/VHOST/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    let vhost = call.known_vhost(call.place(0)).map_err(|it| it.named("not_found"))?;
    let name = named(call.place(1));
    super::check_name("exchange", name)?;
    let fields = call.object()?;
    let kind: ExchangeKind = fields.text("type")?.unwrap_or("direct").parse()?;
    let declaration = ExchangeDeclaration {
        name: name.into(),
        kind,
        durable: fields.flag("durable")?,
        auto_delete: fields.flag("auto_delete")?,
        internal: fields.flag("internal")?,
        arguments: fields.arguments("arguments")?,
    };
    let is_new = vhost.exchange(name).is_none();
    call.access(vhost.name())?.declare_exchange(declaration)?;
    Ok(Answer::put(is_new))
}

/// `DELETE /api/exchanges/VHOST/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    let exchange = known(&vhost, named(call.place(1)))?;
    let if_unused = call.query.is("if-unused");
    call.access(vhost.name())?.delete_exchange(&exchange.name, if_unused)?;
    Ok(Answer::Done)
}

fn default_exchange() -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: ByteString::new(),
        kind: ExchangeKind::Direct,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Arguments::default(),
    }
}

fn described(view: &View, vhost: &VirtualHost, it: &ExchangeDeclaration) -> Value {
    let counts = vhost
        .exchange_counters(&it.name)
        .map_or([0; EXCHANGE.len()], |it| [it.publish_in(), it.publish_out()]);
    let rates = view.site.samples.exchange(vhost.name(), &it.name);
    let applied = view.policies.of_exchange(vhost.name(), &it.name);
    let mut described = json!({
        "name": &*it.name,
        "vhost": &**vhost.name(),
        "type": it.kind.name(),
        "durable": it.durable,
        "auto_delete": it.auto_delete,
        "internal": it.internal,
        "arguments": definitions::to_json(&it.arguments),
        "user_who_performed_action": "rmq-internal",
    });
    let Some(fields) = described.as_object_mut() else { return described };
    if let Some(stats) = statistics::message_stats(&EXCHANGE, &counts, &rates) {
        fields.insert("message_stats".to_owned(), stats);
    }
    if let Some(policy) = applied.policy {
        fields.insert("policy".to_owned(), json!(&*policy.name));
    }
    if let Some(delayed) = vhost.delayed_messages(&it.name) {
        fields.insert("messages_delayed".to_owned(), json!(delayed));
    }
    described
}
