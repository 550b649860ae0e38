//! What the other programmes found in the ledger, each as a story of its own.

use std::io::ErrorKind;
use std::sync::Arc;

use broker::{
    Arguments, BindingEnd, Broker, ConnectionId, Disks, Error, Label, Message, Options, Publish,
    Publisher, QueueDeclaration, RecoveryReport, Value, VirtualHost, error::Kind,
};
use sim::{Fault, Hits, Image, SimDisk};

use crate::bus::options;

const ME: ConnectionId = ConnectionId(1);

fn disks(disk: &SimDisk) -> Disks {
    let [messages, ledger, index] =
        ["messages", "ledger", "index"].map(|name| disk.directory(name));
    Disks { messages, ledger, index }
}

fn start(disk: &SimDisk) -> (Broker, Arc<VirtualHost>, RecoveryReport) {
    let options = Options { ledger_rewrite_bytes: 100_000, ..options(2048) };
    let (broker, report) = Broker::open(&disks(disk), &options).unwrap();
    let vhost = broker.vhost("/").unwrap();
    (broker, vhost, report)
}

fn declare_with(vhost: &VirtualHost, name: &str, arguments: Arguments) -> Result<(), Error> {
    let declaration = QueueDeclaration {
        name: name.into(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    };
    vhost.declare_queue(declaration, ME, false).map(drop)
}

fn declare(vhost: &VirtualHost, name: &str) -> Result<(), Error> {
    declare_with(vhost, name, Arguments::default())
}

fn publish(vhost: &Arc<VirtualHost>, queue: &str, body: &'static str) -> Result<(), Error> {
    let mut publisher = Publisher::new(vhost.clone());
    let routes = publisher.route(&"".into(), &queue.into(), &())?;
    let message = Message::new(
        Label { routing_key: queue.into(), persistent: true, ..Label::default() },
        [body.into()].into_iter().collect(),
    );
    publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new())
}

fn ready(vhost: &VirtualHost, queue: &str) -> usize {
    vhost.check_queue(queue, ME).map_or(0, |status| status.counts.ready)
}

fn names(vhost: &VirtualHost) -> Vec<String> {
    let mut names: Vec<String> = vhost.queues().iter().map(|it| it.name().to_string()).collect();
    names.sort();
    names
}

/// Every change needs a new segment from now on, and there is no space for one.
fn fill(disk: &SimDisk, vhost: &VirtualHost) {
    let fault =
        Fault { from: 1, for_ever: true, kind: ErrorKind::StorageFull, hits: Hits::Growing };
    disk.set_fault(Some(fault));
    // What is left of the segment in use.
    while declare(vhost, "filler")
        .and_then(|()| vhost.delete_queue("filler", ME, false, false))
        .is_ok()
    {}
}

#[test]
fn a_declaration_that_found_no_space_does_not_happen_later() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "before").unwrap();
    fill(&disk, &vhost);
    assert_eq!(declare(&vhost, "q").unwrap_err().kind, Kind::DiskFull);
    disk.set_fault(None);
    // It is declared by somebody, and deleted; nothing of the first try may be left.
    declare(&vhost, "q").unwrap();
    vhost.delete_queue("q", ME, false, false).unwrap();
    vhost.delete_queue("filler", ME, false, false).unwrap();
    drop((broker, vhost));
    assert_eq!(names(&start(&disk).1), ["before"]);
}

#[test]
fn a_queue_whose_deletion_found_no_space_goes_on_with_its_messages() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "q").unwrap();
    publish(&vhost, "q", "before").unwrap();
    broker.commit().unwrap();
    fill(&disk, &vhost);
    let refused = vhost.delete_queue("q", ME, false, false);
    assert_eq!(refused.unwrap_err().kind, Kind::DiskFull);
    disk.set_fault(None);
    assert_eq!(ready(&vhost, "q"), 1);
    publish(&vhost, "q", "after").unwrap();
    broker.commit().unwrap();
    // The next change takes nothing with it that was refused.
    declare(&vhost, "other").unwrap();
    broker.tidy().unwrap();
    drop((broker, vhost));
    let (_broker, vhost, report) = start(&disk);
    assert_eq!((ready(&vhost, "q"), report.messages), (2, 2));
}

#[test]
fn a_ledger_that_failed_ends_the_broker() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "q").unwrap();
    let kind = ErrorKind::Other;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Syncs }));
    assert_eq!(declare(&vhost, "later").unwrap_err().kind, Kind::Internal);
    let syncs = disk.syncs();
    assert_eq!(publish(&vhost, "q", "m").unwrap_err().kind, Kind::Internal);
    let error = broker.commit().unwrap_err();
    assert!(error.text.contains("sync"), "its owner ends the process, and says why: {error}");
    broker.tidy().unwrap_err();
    assert_eq!(disk.syncs(), syncs);
}

#[test]
fn messages_that_failed_end_the_ledger_too() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "q").unwrap();
    publish(&vhost, "q", "m").unwrap();
    let kind = ErrorKind::Other;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Syncs }));
    broker.commit().unwrap_err();
    let syncs = disk.syncs();
    assert_eq!(declare(&vhost, "later").unwrap_err().kind, Kind::Internal);
    assert_eq!(disk.syncs(), syncs);
}

fn pairs(pairs: &[(&str, Value)]) -> Arguments {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[test]
fn a_binding_taken_away_by_other_words_for_the_same_does_not_come_back() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "q").unwrap();
    let (one, two) = (("a", Value::Long(1)), ("b", Value::Longstr("x".into())));
    let other_words = pairs(&[two.clone(), ("a", Value::Byte(1))]);
    let (from, to) = ("amq.headers".into(), BindingEnd::Queue("q"));
    vhost.bind(&from, to, "".into(), pairs(&[one, two]), ME).unwrap();
    vhost.unbind(&from, to, "".into(), other_words, ME).unwrap();
    assert!(vhost.bindings().is_empty());
    drop((broker, vhost));
    assert!(start(&disk).1.bindings().is_empty());
}

#[test]
fn a_queue_declared_with_what_is_no_number_does_not_stop_the_next_start() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    let odd = pairs(&[("x-odd", Value::Double(f64::NAN)), ("x-far", Value::Float(f32::INFINITY))]);
    declare_with(&vhost, "q", odd.clone()).unwrap();
    drop((broker, vhost));
    let (_broker, vhost, _) = start(&disk);
    assert_eq!(vhost.queue("q", ME).unwrap().declaration().arguments, odd);
}

fn nested(levels: u32) -> Arguments {
    let bottom = pairs(&[("bottom", Value::Void)]);
    (0..levels).fold(bottom, |deeper, _| pairs(&[("x", Value::Table(deeper))]))
}

#[test]
fn arguments_as_deep_as_clients_can_send_are_kept_and_deeper_ones_do_not_stop_the_next_start() {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    // amqp091's limit.
    declare_with(&vhost, "q", nested(32)).unwrap();
    let refused = declare_with(&vhost, "deep", nested(200)).unwrap_err();
    assert_eq!(refused.kind, Kind::PreconditionFailed, "{refused}");
    declare(&vhost, "after").unwrap();
    drop((broker, vhost));
    let (_broker, vhost, _) = start(&disk);
    assert_eq!(names(&vhost), ["after", "q"]);
    assert_eq!(vhost.queue("q", ME).unwrap().declaration().arguments, nested(32));
}

/// NATS JetStream 2.12 removed a stream as orphaned when the file that named it was damaged.
#[test]
fn messages_of_a_queue_that_a_damaged_ledger_has_lost_are_kept_and_come_to_no_other_queue() {
    // In the ledger's last record damage looks like a write that power loss cut short.
    for last in [true, false] {
        let (whole, ledger, bit) = with_messages_of_a_queue(last);
        let mut damaged = whole.clone();
        damaged.flip_bit(&ledger, bit);
        let disk = SimDisk::from_image(damaged);
        let files = files_of_messages(&disk);
        assert!(files > 2);
        for life in 0..3 {
            let (broker, vhost, report) = start(&disk);
            assert_eq!(report.messages, 0);
            let kept = |line: &String| line.contains("60 messages of queue number 2 are kept");
            assert!(report.damage.iter().any(kept), "life {life}: {:?}", report.damage);
            // Another queue does not get the number, nor the messages.
            let name = format!("new {life}");
            declare(&vhost, &name).unwrap();
            assert_eq!(ready(&vhost, &name), 0);
            publish(&vhost, &name, "m").unwrap();
            broker.commit().unwrap();
            vhost.queue(&name, ME).unwrap().purge().unwrap();
            broker.commit().unwrap();
            broker.tidy().unwrap();
            assert!(files_of_messages(&disk) >= files, "life {life}: a file was given back");
        }
        if !last {
            // Somebody repairs the file, and all is there again.
            let mut repaired = disk.live();
            repaired.flip_bit(&ledger, bit);
            let (_broker, vhost, report) = start(&SimDisk::from_image(repaired));
            assert_eq!((ready(&vhost, "lost"), report.messages), (60, 60));
            assert!(report.damage.is_empty(), "{:?}", report.damage);
        }
    }
}

fn files_of_messages(disk: &SimDisk) -> usize {
    disk.live().names().iter().filter(|name| name.starts_with("messages/")).count()
}

/// A disk with messages in a queue, and where the ledger has that queue's name.
fn with_messages_of_a_queue(last: bool) -> (Image, String, usize) {
    let disk = SimDisk::new();
    let (broker, vhost, _) = start(&disk);
    declare(&vhost, "a").unwrap();
    declare(&vhost, "lost").unwrap();
    if !last {
        declare(&vhost, "b").unwrap();
    }
    for _ in 0..60 {
        publish(&vhost, "lost", "a message that somebody will want to have again").unwrap();
    }
    broker.commit().unwrap();
    drop((broker, vhost));
    let image = disk.live();
    let ledger = image.names().into_iter().find(|name| name.starts_with("ledger/")).unwrap();
    let at = image.file(&ledger).windows(4).position(|bytes| bytes == b"lost").unwrap();
    (image, ledger, at * 8)
}

#[test]
fn a_damaged_record_of_a_rewritten_ledger_costs_one_thing() {
    let disk = SimDisk::new();
    let options = Options { ledger_rewrite_bytes: 0, ..options(2048) };
    let (broker, _) = Broker::open(&disks(&disk), &options).unwrap();
    let vhost = broker.vhost("/").unwrap();
    for name in ["a", "b", "c"] {
        declare(&vhost, name).unwrap();
    }
    broker.tidy().unwrap();
    drop((broker, vhost));
    let mut image = disk.live();
    let ledger = image.names().into_iter().find(|name| name.starts_with("ledger/")).unwrap();
    assert!(!ledger.ends_with("0001.log"), "it was rewritten");
    let named = image.file(&ledger).windows(10).position(|bytes| bytes == b"\"name\":\"b\"");
    image.flip_bit(&ledger, named.unwrap() * 8);
    let (_broker, vhost, report) = start(&SimDisk::from_image(image));
    assert_eq!(names(&vhost), ["a", "c"]);
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
}
