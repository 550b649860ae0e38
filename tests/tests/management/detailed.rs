//! Who publishes to what and who takes from where, as the pages of exchanges, queues and channels
//! show it; on RabbitMQ too, which counts so when its `rates_mode` is `detailed`.

use anyhow::{Context, Result, ensure};
use harness::{Api, RabbitMq, Site, wait_for};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    message::BasicGetMessage,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// 3 messages to `news`, of which 2 reach `flow`, and 1 by the default exchange, confirmed; 2
/// are fetched, and 1 of them is acknowledged; then the queue is asked by another channel.
async fn happen(url: &str) -> Result<(Connection, Vec<Channel>)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(10, BasicQosOptions::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("flow".into(), durable, FieldTable::default()).await?;
    let (declared, none) = (ExchangeDeclareOptions::default(), FieldTable::default());
    channel.exchange_declare("news".into(), ExchangeKind::Topic, declared, none).await?;
    let (queue, exchange) = ("flow".into(), "news".into());
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue, exchange, "flow.*".into(), options, none).await?;
    for (exchange, key) in [("news", "flow.a"), ("news", "flow.b"), ("news", "other"), ("", "flow")]
    {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let (exchange, key) = (exchange.into(), key.into());
        channel.basic_publish(exchange, key, options, b"hello", properties).await?.await?;
    }
    let taken = get(&channel).await?.context("a message")?;
    get(&channel).await?.context("another")?;
    taken.acker.ack(BasicAckOptions::default()).await?;
    let second = connection.create_channel().await?;
    get(&second).await?.context("the third")?;
    Ok((connection, vec![channel, second]))
}

async fn get(channel: &Channel) -> Result<Option<BasicGetMessage>> {
    Ok(channel.basic_get("flow".into(), BasicGetOptions::default()).await?)
}

/// What of an entry is looked at: whom it is of, and those of its counts that are not 0.
fn seen(page: &Value, list: &str) -> Vec<Value> {
    let entries = page[list].as_array().cloned().unwrap_or_default();
    let entry = |entry: Value| {
        let of = ["exchange", "queue"].iter().find_map(|kind| entry.get(kind).cloned());
        let channel = &entry["channel_details"];
        let of = of.unwrap_or_else(|| json!({"channel": channel["number"]}));
        let counts = entry["stats"].as_object().cloned().unwrap_or_default();
        let counts: serde_json::Map<_, _> = counts
            .into_iter()
            .filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0))
            .collect();
        json!([of, counts])
    };
    let mut seen: Vec<Value> = entries.into_iter().map(entry).collect();
    seen.sort_by_key(ToString::to_string);
    seen
}

/// The page of the first channel that there is.
fn channel_page(api: &Api) -> Result<String> {
    let all = api.get("channels")?;
    let numbered = |it: &&Value| it["number"] == 1 && it["user"] == "guest";
    let channel = all.as_array().and_then(|all| all.iter().find(numbered));
    let name = channel.and_then(|it| it["name"].as_str()).context("no channel")?;
    Ok(format!("channels/{}", name.replace(' ', "%20").replace('>', "%3E")))
}

fn all_is_counted(api: &Api) -> Result<()> {
    let (flow, topic) =
        (json!({"name": "flow", "vhost": "/"}), json!({"name": "news", "vhost": "/"}));
    let nameless = json!({"name": "", "vhost": "/"});
    let first = json!([{"channel": 1}, {"get": 2, "ack": 1, "deliver_get": 2}]);
    let second = json!([{"channel": 2}, {"get": 1, "deliver_get": 1}]);
    let mut wanted = vec![
        (
            "queues/%2F/flow".to_owned(),
            "incoming",
            vec![json!([nameless, {"publish": 1}]), json!([topic, {"publish": 2}])],
        ),
        ("queues/%2F/flow".to_owned(), "deliveries", vec![first.clone(), second]),
        (
            "exchanges/%2F/news".to_owned(),
            "incoming",
            vec![json!([{"channel": 1}, {"publish": 3, "confirm": 3, "drop_unroutable": 1}])],
        ),
        ("exchanges/%2F/news".to_owned(), "outgoing", vec![json!([flow, {"publish": 2}])]),
        ("exchanges/%2F/amq.default".to_owned(), "outgoing", vec![json!([flow, {"publish": 1}])]),
    ];
    let mut last = Vec::new();
    wait_for("the counts", 30, || {
        let page = channel_page(api).map_err(|error| format!("{error:#}"))?;
        wanted.truncate(5);
        wanted.push((page.clone(), "deliveries", vec![json!([flow, first[1]])]));
        wanted.push((
            page,
            "publishes",
            vec![
                json!([nameless, {"publish": 1, "confirm": 1}]),
                json!([topic, {"publish": 3, "confirm": 3, "drop_unroutable": 1}]),
            ],
        ));
        last.clear();
        for (path, list, wanted) in &wanted {
            let page = api.get(path).map_err(|error| format!("{error:#}"))?;
            let got = seen(&page, list);
            // Maps compare whatever the order of their names is.
            if got != *wanted {
                last.push(format!("{path} {list}: {got:?}, wanted {wanted:?} in {}", page[list]));
            }
        }
        if last.is_empty() { Ok(()) } else { Err(last.join("\n")) }
    })
}

#[test]
fn who_publishes_to_what_and_takes_from_where_is_counted_as_on_rabbitmq() -> Result<()> {
    let (rabbitmq, runtime) = (RabbitMq::start_with_management()?, Runtime::new()?);
    let _theirs = runtime.block_on(happen(&rabbitmq.amqp_url()))?;
    all_is_counted(&rabbitmq.api()?).context("on RabbitMQ")?;
    let site = Site::new()?;
    let _server = site.serve()?;
    let ours = runtime.block_on(happen(&site.amqp_url()))?;
    let api = site.api();
    all_is_counted(&api)?;
    // What is gone is in no list.
    let (connection, channels) = ours;
    let page = channel_page(&api)?;
    ensure!(api.call("DELETE", "queues/%2F/flow", "")?.status == 204, "deleted");
    ensure!(api.get(&page)?["deliveries"] == json!([]), "of a queue that is gone");
    ensure!(api.get("exchanges/%2F/news")?["outgoing"] == json!([]), "likewise");
    runtime.block_on(connection.close(200, "done".into()))?;
    drop(channels);
    wait_for("no publisher", 20, || match api.get("exchanges/%2F/news") {
        Ok(page) if page["incoming"] == json!([]) => Ok(()),
        other => Err(format!("{other:?}")),
    })
}
