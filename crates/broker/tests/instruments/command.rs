//! What is asked of a broker, decoded from plain numbers: any number is a command, so that a
//! failing row of them can be made shorter and simpler and stays a row of commands.

use broker::{Arguments, ExchangeKind, Value};

pub(crate) const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
/// Those that can be declared, and behind them some that are always there.
pub(crate) const EXCHANGES: [&str; 7] =
    ["e0", "e1", "e2", "amq.direct", "amq.fanout", "amq.topic", "amq.headers"];
const KEYS: [&str; 6] = ["a", "a.b", "a.*", "#", "a.#", "*.b.#"];
const ROUTING_KEYS: [&str; 5] = ["a", "a.b", "a.b.c", "", "b"];
pub(crate) const CONNECTIONS: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Queue(&'static str),
    Exchange(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    DeclareQueue {
        name: &'static str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        by: u32,
    },
    DeleteQueue {
        name: &'static str,
        if_unused: bool,
        if_empty: bool,
        by: u32,
    },
    DeclareExchange {
        name: &'static str,
        kind: ExchangeKind,
        durable: bool,
        auto_delete: bool,
    },
    DeleteExchange {
        name: &'static str,
        if_unused: bool,
    },
    Bind {
        source: &'static str,
        to: End,
        key: &'static str,
        arguments: Pairs,
        by: u32,
    },
    Unbind {
        source: &'static str,
        to: End,
        key: &'static str,
        arguments: Pairs,
        by: u32,
    },
    Publish {
        exchange: &'static str,
        key: &'static str,
        headers: Pairs,
        persistent: bool,
        count: u32,
        size_bytes: u32,
        by: u32,
    },
    Get {
        queue: &'static str,
        by: u32,
    },
    Consume {
        queue: &'static str,
        prefetch: u32,
        no_ack: bool,
        exclusive: bool,
        by: u32,
    },
    Cancel {
        which: u32,
    },
    Settle {
        which: u32,
        count: u32,
    },
    Requeue {
        which: u32,
        count: u32,
    },
    Purge {
        queue: &'static str,
        by: u32,
    },
    ShareLimit {
        limit: u32,
        by: u32,
    },
    Close {
        by: u32,
    },
    Commit,
    /// Gives back space. What was settled and not committed may be gone for ever then, or not;
    /// after a commit it is all the same.
    Tidy {
        commit: bool,
    },
    Crash {
        power: bool,
    },
}

/// How likely each kind of command is; the numbers are shares of 256.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mix {
    /// Everything, crashes included.
    Model,
    /// A life of a durable broker with all that writes to the disk, and no crash: the disk has its
    /// own.
    Disk,
}

/// Numbers of a command, each taken once.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        let value = self.0 % limit;
        self.0 /= limit;
        value
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// True once in so many times; what is rare is not what 0 decodes to.
    fn rarely(&mut self, one_in: u64) -> bool {
        self.below(one_in) == one_in - 1
    }

    fn by(&mut self) -> u32 {
        self.below(CONNECTIONS.into()) as u32
    }

    fn end(&mut self) -> End {
        match self.rarely(4) {
            false => End::Queue(self.pick(&QUEUES)),
            true => End::Exchange(self.pick(&EXCHANGES)),
        }
    }
}

impl Command {
    /// The command of a number.
    pub(crate) fn decode(number: u64, mix: Mix) -> Command {
        let mut dice = Dice(number / 256);
        match mix {
            Mix::Model => Command::of_model(number % 256, &mut dice),
            Mix::Disk => Command::of_disk(number % 256, &mut dice),
        }
    }

    fn of_model(share: u64, dice: &mut Dice) -> Command {
        match share {
            0..60 => Command::publish(dice),
            60..80 => Command::DeclareQueue {
                name: dice.pick(&QUEUES),
                durable: !dice.rarely(3),
                exclusive: dice.rarely(6),
                auto_delete: dice.rarely(6),
                by: dice.by(),
            },
            80..95 => Command::declare_exchange(dice),
            95..115 => Command::bind(dice),
            115..135 => Command::Get { queue: dice.pick(&QUEUES), by: dice.by() },
            135..150 => Command::consume(dice),
            150..190 => {
                Command::Settle { which: dice.below(64) as u32, count: 1 + dice.below(4) as u32 }
            }
            190..205 => {
                Command::Requeue { which: dice.below(64) as u32, count: 1 + dice.below(4) as u32 }
            }
            205..218 => Command::Commit,
            218..224 => Command::unbind(dice),
            224..229 => Command::Cancel { which: dice.below(16) as u32 },
            229..233 => Command::delete_queue(dice),
            233..236 => Command::delete_exchange(dice),
            236..239 => Command::Purge { queue: dice.pick(&QUEUES), by: dice.by() },
            239..242 => Command::ShareLimit { limit: dice.below(4) as u32, by: dice.by() },
            242..245 => Command::Close { by: dice.by() },
            245..249 => Command::Tidy { commit: true },
            _ => Command::Crash { power: dice.below(2) == 1 },
        }
    }

    fn of_disk(share: u64, dice: &mut Dice) -> Command {
        match share {
            0..60 => Command::publish(dice),
            60..80 => Command::DeclareQueue {
                name: dice.pick(&QUEUES),
                durable: !dice.rarely(8),
                exclusive: false,
                auto_delete: dice.rarely(10),
                by: dice.by(),
            },
            80..92 => Command::declare_exchange(dice),
            92..114 => Command::bind(dice),
            114..124 => Command::Get { queue: dice.pick(&QUEUES), by: dice.by() },
            124..140 => Command::consume(dice),
            140..184 => {
                Command::Settle { which: dice.below(64) as u32, count: 2 + dice.below(10) as u32 }
            }
            184..188 => Command::Requeue { which: dice.below(64) as u32, count: 1 },
            188..222 => Command::Commit,
            222..228 => Command::unbind(dice),
            228..230 => Command::Cancel { which: dice.below(16) as u32 },
            230..236 => Command::delete_queue(dice),
            236..240 => Command::delete_exchange(dice),
            240..244 => Command::Purge { queue: dice.pick(&QUEUES), by: dice.by() },
            244..246 => Command::Close { by: dice.by() },
            _ => Command::Tidy { commit: false },
        }
    }

    fn publish(dice: &mut Dice) -> Command {
        let direct = dice.below(2) == 0;
        Command::Publish {
            exchange: if direct { "" } else { dice.pick(&EXCHANGES) },
            key: if direct { dice.pick(&QUEUES) } else { dice.pick(&ROUTING_KEYS) },
            headers: Pairs(dice.below(4) as u8),
            persistent: !dice.rarely(5),
            // Now and then more than a queue keeps in memory.
            count: if dice.rarely(400) { 600 } else { 1 + dice.below(4) as u32 },
            size_bytes: match dice.rarely(8) {
                false => 20 + dice.below(100) as u32,
                // Larger than a sector, or than a small segment.
                true => 600 + dice.below(4000) as u32,
            },
            by: dice.by(),
        }
    }

    fn declare_exchange(dice: &mut Dice) -> Command {
        let kinds = [
            ExchangeKind::Direct,
            ExchangeKind::Topic,
            ExchangeKind::Fanout,
            ExchangeKind::Headers,
        ];
        Command::DeclareExchange {
            name: dice.pick(&EXCHANGES[..4]),
            kind: dice.pick(&kinds),
            durable: !dice.rarely(3),
            auto_delete: dice.rarely(3),
        }
    }

    fn bind(dice: &mut Dice) -> Command {
        let (source, to) = (dice.pick(&EXCHANGES), dice.end());
        let (key, arguments) = (dice.pick(&KEYS), Pairs(dice.below(8) as u8));
        Command::Bind { source, to, key, arguments, by: dice.by() }
    }

    fn unbind(dice: &mut Dice) -> Command {
        let (source, to) = (dice.pick(&EXCHANGES), dice.end());
        let (key, arguments) = (dice.pick(&KEYS), Pairs(dice.below(8) as u8));
        Command::Unbind { source, to, key, arguments, by: dice.by() }
    }

    fn consume(dice: &mut Dice) -> Command {
        Command::Consume {
            queue: dice.pick(&QUEUES),
            prefetch: dice.below(4) as u32,
            no_ack: dice.rarely(4),
            exclusive: dice.rarely(8),
            by: dice.by(),
        }
    }

    fn delete_queue(dice: &mut Dice) -> Command {
        Command::DeleteQueue {
            name: dice.pick(&QUEUES),
            if_unused: dice.rarely(4),
            if_empty: dice.rarely(4),
            by: dice.by(),
        }
    }

    fn delete_exchange(dice: &mut Dice) -> Command {
        Command::DeleteExchange { name: dice.pick(&EXCHANGES[..4]), if_unused: dice.rarely(3) }
    }

    /// Whether it may change what is declared.
    pub(crate) fn is_of_topology(&self) -> bool {
        matches!(
            self,
            Command::DeclareQueue { .. }
                | Command::DeleteQueue { .. }
                | Command::DeclareExchange { .. }
                | Command::DeleteExchange { .. }
                | Command::Bind { .. }
                | Command::Unbind { .. }
                | Command::Cancel { .. }
                | Command::Close { .. }
        )
    }
}

/// One of a few sets of arguments or headers, among them such as are written differently and mean
/// the same, and such as have no number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pairs(u8);

impl Pairs {
    pub(crate) fn arguments(self) -> Arguments {
        let text = |text: &str| Value::Longstr(text.to_owned());
        let pairs: Vec<(&str, Value)> = match self.0 {
            0 => vec![],
            1 => vec![("a", Value::Long(1)), ("x-match", text("all"))],
            // The same in another order and width.
            2 => vec![("x-match", text("all")), ("a", Value::Byte(1))],
            3 => vec![("a", Value::SignedInt(1)), ("b", text("x")), ("x-match", text("any"))],
            4 => vec![("b", Value::Void)],
            5 => vec![("x-match", text("some"))],
            6 => vec![("c", Value::Double(f64::NAN))],
            _ => vec![("c", Value::Float(f32::INFINITY)), ("b", text("x"))],
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Those that a queue is declared with: one has something that is no number in JSON.
    pub(crate) fn of_queue(name: &str) -> Pairs {
        Pairs(if name == "q3" { 6 } else { 0 })
    }

    /// The number of those that mean the same as these.
    pub(crate) fn meaning_of(arguments: &Arguments) -> u8 {
        let same = |number: &u8| Pairs(*number).arguments().is_equivalent(arguments);
        (0..8).find(same).map_or(u8::MAX, |number| Pairs(number).meaning())
    }

    /// The number of those that mean the same.
    pub(crate) fn meaning(self) -> u8 {
        if self.0 == 2 { 1 } else { self.0 }
    }

    /// Names and plain values, as a headers exchange compares them.
    pub(crate) fn plain(self) -> Vec<(&'static str, Option<&'static str>)> {
        match self.meaning() {
            1 => vec![("a", Some("1"))],
            3 => vec![("a", Some("1")), ("b", Some("x"))],
            4 => vec![("b", None)],
            6 => vec![("c", Some("NaN"))],
            7 => vec![("c", Some("inf")), ("b", Some("x"))],
            _ => vec![],
        }
    }

    pub(crate) fn matches_any(self) -> bool {
        self.0 == 3
    }

    /// A headers exchange knows no such mode.
    pub(crate) fn is_refused(self) -> bool {
        self.0 == 5
    }
}
