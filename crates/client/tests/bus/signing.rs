//! Signed and verified by configuration: nothing of it is in the code that publishes or handles.

use std::{fs, path::Path};

use client::{
    Agent, BusUrl, Publisher, Sender, SignaturePolicy, Signing, Spool, Subscribe, Subscriber,
    Surroundings, TrustCounts,
};
use event::{SigningKey, Verdict};
use serde_json::json;

use crate::{a_bus, durable, event, next, temporary, unique, url, within};

/// A key in files: the secret, and in `keys` what trusts it.
fn key(home: &Path, name: &str) -> SigningKey {
    let key = SigningKey::generate(name).unwrap();
    fs::create_dir_all(home.join("keys")).unwrap();
    fs::write(home.join(format!("{name}.key")), key.to_pem().unwrap()).unwrap();
    fs::write(home.join(format!("keys/{name}.pub")), key.public_pem()).unwrap();
    key
}

/// One test, so that one broker is started for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_are_made_and_judged_by_configuration() {
    let Some(bus) = a_bus() else { return };
    let bus = url(&bus);
    a_service_signs_and_a_subscriber_believes_without_a_word_in_their_code(bus.clone()).await;
    what_is_refused_is_kept_as_it_came_and_reaches_no_handler(bus).await;
}

async fn a_service_signs_and_a_subscriber_believes_without_a_word_in_their_code(bus: BusUrl) {
    let topic = unique();
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    key(home.path(), "service");
    let machine = key(home.path(), "machine");
    let trusting = |policy| Signing { keys: Some(path("keys")), policy, ..Signing::default() };
    let mut subscriber = Subscriber::connect(&bus, "test", temporary(&topic)).await.unwrap();
    let trust = trusting(SignaturePolicy::Require).trust().unwrap().unwrap();
    subscriber = subscriber.trusting(trust.clone());

    // A service with a key and no agent; one without either, whose spool an agent signs; and one
    // that goes past all of that.
    let around = |spool: &str, key: Option<&str>| Surroundings {
        agents: Vec::new(),
        bus: bus.clone(),
        spool: path(spool),
        spool_size_bytes_max: 1 << 20,
        topic_prefix: String::new(),
        app: "test".to_owned(),
        signing: Signing { key: key.map(path), ..Signing::default() },
    };
    let publish = |sender: Sender, n: usize| {
        let topic = topic.clone();
        tokio::task::block_in_place(|| sender.publish(&topic, json!({"n": n})))
    };
    let signed = Sender::new(around("one", Some("service.key")));
    publish(signed.clone(), 1).unwrap();
    let delivery = next(&mut subscriber).await;
    assert_eq!(delivery.verdict, Some(Verdict::Valid { key: "service".to_owned() }));
    delivery.ack().await.unwrap();

    let spool = Spool::open(path("two"), 1 << 20).unwrap();
    spool.hand_over(&[event(&topic, 2)]).unwrap();
    let agent = Agent::new(spool, bus.clone(), "test").signing(machine);
    within("the agent", agent.run_until_empty()).await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert_eq!(delivery.event.as_ref().unwrap().headers["tubepost_verdict"], "valid machine");
    delivery.ack().await.unwrap();

    let direct = Publisher::connect(&bus, "test").await.unwrap();
    direct.publish(&event(&topic, 3)).await.unwrap();
    let delivery = next(&mut subscriber).await;
    let refused = delivery.event.as_ref().unwrap_err();
    assert!(refused.to_string().contains("a trusted signature is required: unsigned"), "{refused}");
    delivery.ack().await.unwrap();
    let expected = TrustCounts { valid: 2, unsigned: 1, invalid: 0, refused: 1 };
    assert_eq!(trust.counts(), expected);

    let error = publish(Sender::new(around("three", Some("missing.key"))), 4).unwrap_err();
    assert!(error.to_string().contains("missing.key: cannot be read"), "{error}");
    let nobody = Signing { policy: SignaturePolicy::Require, ..Signing::default() };
    assert!(nobody.trust().unwrap_err().to_string().contains("event.keys"));
}

async fn what_is_refused_is_kept_as_it_came_and_reaches_no_handler(bus: BusUrl) {
    let topic = unique();
    let home = tempfile::tempdir().unwrap();
    let hall = key(home.path(), "hall");
    let signing = Signing {
        keys: Some(home.path().join("keys")),
        policy: SignaturePolicy::Require,
        ..Signing::default()
    };
    let trust = signing.trust().unwrap().unwrap();
    // So that nothing is missed before the handler runs.
    Subscriber::connect(&bus, "test", durable(&topic, &topic)).await.unwrap().close().await;
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    let (mut forged, mut good) = (event(&topic, 1), event(&topic, 2));
    hall.sign(&mut forged).unwrap();
    forged.severity = event::Severity::Error;
    hall.sign(&mut good).unwrap();
    for event in [&forged, &good] {
        publisher.publish(event).await.unwrap();
    }
    let (tell, mut told) = tokio::sync::mpsc::channel(4);
    let handled = Subscribe::on(&bus, "test")
        .and(&topic)
        .unwrap()
        .queue(&topic)
        .trusting(trust)
        .run_until(
            async {
                // Its handler is the second one's: they come in order.
                within("the good one", told.recv()).await.unwrap();
            },
            move |event| {
                let tell = tell.clone();
                async move { tell.send(event.id).await.map_err(|error| error.to_string()) }
            },
        )
        .await;
    assert_eq!((handled.done, handled.failed), (1, 1));

    let dead = format!("{topic}.dead");
    let mut kept =
        Subscriber::connect(&bus, "test", durable(&dead, "nobody.says.this")).await.unwrap();
    let delivery = next(&mut kept).await;
    let found = delivery.event.as_ref().unwrap();
    assert_eq!((&found.id, &found.signature), (&forged.id, &forged.signature));
    let reason = found.headers["x-tubepost-reason"].as_str().unwrap();
    assert!(reason.contains("invalid hall: its signature is not by this key"), "{reason}");
    delivery.ack().await.unwrap();
}
