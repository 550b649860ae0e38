//! A connection that is ready, and the task that owns it: says what it is told to, hears whether
//! the server took it, and answers pings in between. Ends with the connection, or when nobody can
//! tell it anything any more.

use std::{collections::HashSet, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    address::is_channel,
    line::{Line, folded},
    pace::Pace,
    registration::WORDS_CHARS_MAX,
    wire::Wire,
};
use crate::{Failure, mail::one_line};

/// Lines for one place, and who waits for how that ends.
#[derive(Debug)]
pub(crate) struct Saying {
    pub(crate) target: String,
    pub(crate) lines: Vec<String>,
    pub(crate) ended: oneshot::Sender<Result<(), Failure>>,
}

/// The connection and what is known of it.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    /// The nick that the server knows.
    pub(crate) nick: String,
    pub(crate) pace: Pace,
    /// How long the server may take to answer.
    pub(crate) patience: Duration,
    /// The channels that it is in, folded.
    pub(crate) joined: HashSet<String>,
    pub(crate) pings: u32,
}

/// How the server took a line, if it was about that.
type Verdict = Option<Result<(), Failure>>;

impl Session {
    /// Runs until the connection ends or `sayings` does.
    pub(crate) async fn run(mut self, mut sayings: mpsc::Receiver<Saying>) {
        let why = loop {
            let quiet = Instant::now() + QUIET_MAX;
            let result = tokio::select! {
                saying = sayings.recv() => match saying {
                    Some(saying) => self.take(saying).await,
                    None => {
                        let _ = self.wire.say(&["QUIT :Tubepost".to_owned()]).await;
                        return;
                    }
                },
                line = self.wire.hear() => match line {
                    Ok(line) => self.minded(&line).await,
                    Err(why) => Err(why),
                },
                () = sleep_until(quiet) => self.ping().await,
            };
            if let Err(why) = result {
                break why;
            }
        };
        tracing::info!("IRC connection over, a new one is made with the next notice: {why}");
    }

    async fn take(&mut self, saying: Saying) -> Result<(), String> {
        let Saying { target, lines, ended } = saying;
        let (outcome, result) = match self.tell(&target, lines).await {
            Ok(outcome) => (outcome, Ok(())),
            // What was said in the end may have been heard: it is said again.
            Err(why) => (Err(Failure::Away(format!("IRC: {why}"))), Err(why)),
        };
        let _ = ended.send(outcome);
        result
    }

    /// `Err` is the end of the connection.
    async fn tell(
        &mut self,
        target: &str,
        lines: Vec<String>,
    ) -> Result<Result<(), Failure>, String> {
        if is_channel(target)
            && !self.joined.contains(&folded(target))
            && let Err(failure) = self.join(target).await?
        {
            return Ok(Err(failure));
        }
        let mut refused = None;
        for line in lines {
            let verdict = |line: &Line| refusal(line, target).map(Err);
            let at = self.pace.next(Instant::now());
            if let Some(Err(failure)) = self.wait(at, verdict).await? {
                refused = Some(failure);
                break;
            }
            self.wire.say(&[format!("PRIVMSG {target} :{line}")]).await?;
        }
        // A server takes lines in their order: when it answers this, it has judged those.
        let answered = self.asked(|line| refusal(line, target)).await?;
        Ok(refused.or(answered).map_or(Ok(()), Err))
    }

    async fn join(&mut self, channel: &str) -> Result<Result<(), Failure>, String> {
        let at = self.pace.next(Instant::now());
        self.wait(at, |_| None).await?;
        self.wire.say(&[format!("JOIN {channel}")]).await?;
        let refused = self.asked(|line| refusal(line, channel)).await?;
        Ok(match refused {
            Some(failure) => Err(failure),
            None if self.joined.contains(&folded(channel)) => Ok(()),
            None => {
                Err(Failure::Deferred(format!("IRC: the server did not let us join {channel}")))
            }
        })
    }

    /// A ping; what came before its answer, if that is what was looked for.
    async fn asked(
        &mut self,
        looked_for: impl Fn(&Line) -> Option<Failure>,
    ) -> Result<Option<Failure>, String> {
        self.pings = self.pings.wrapping_add(1);
        let token = format!("tubepost-{}", self.pings);
        let at = self.pace.next(Instant::now());
        let mut found = None;
        let first = |line: &Line| looked_for(line).map(Err);
        while let Some(Err(failure)) = self.wait(at, first).await? {
            found = found.or(Some(failure));
        }
        self.wire.say(&[format!("PING :{token}")]).await?;
        let deadline = Instant::now() + self.patience;
        loop {
            let verdict = |line: &Line| match line.command == "PONG" && line.words() == token {
                true => Some(Ok(())),
                false => looked_for(line).map(Err),
            };
            match self.wait(deadline, verdict).await? {
                Some(Ok(())) => return Ok(found),
                Some(Err(failure)) => found = found.or(Some(failure)),
                None => {
                    let seconds = self.patience.as_secs_f32();
                    return Err(format!("no answer to a ping within {seconds} s"));
                }
            }
        }
    }

    async fn ping(&mut self) -> Result<(), String> {
        self.asked(|_| None).await.map(drop)
    }

    /// Hears lines until one has a verdict or the time is over.
    async fn wait(
        &mut self,
        until: Instant,
        verdict: impl Fn(&Line) -> Verdict,
    ) -> Result<Verdict, String> {
        loop {
            let Ok(line) = timeout_at(until, self.wire.hear()).await else { return Ok(None) };
            let line = line?;
            self.minded(&line).await?;
            if let Some(verdict) = verdict(&line) {
                return Ok(Some(verdict));
            }
        }
    }

    /// What any line may mean for the connection.
    async fn minded(&mut self, line: &Line) -> Result<(), String> {
        let ours = folded(line.nick()) == folded(&self.nick);
        match line.command.as_str() {
            "PING" => return self.wire.say(&[format!("PONG :{}", line.words())]).await,
            "ERROR" => {
                let words = one_line(line.words(), WORDS_CHARS_MAX);
                return Err(format!("the server ended the connection: {words}"));
            }
            "JOIN" if ours && self.joined.len() < CHANNELS_MAX => {
                self.joined.insert(folded(line.param(0)));
            }
            "PART" if ours => drop(self.joined.remove(&folded(line.param(0)))),
            "KICK" if folded(line.param(1)) == folded(&self.nick) => {
                self.joined.remove(&folded(line.param(0)));
            }
            "NICK" if ours => self.nick = line.param(0).to_owned(),
            _ => {}
        }
        Ok(())
    }
}

/// Whether the server says that it did not take what was for this target: in a numeric, or in
/// IRCv3's `FAIL`.
fn refusal(line: &Line, target: &str) -> Option<Failure> {
    let about = |name: &String| folded(name) == folded(target);
    let why = || format!("IRC: {target}: {}", one_line(line.words(), WORDS_CHARS_MAX));
    match (line.command.as_str(), line.number()) {
        ("FAIL", _) if line.params.iter().skip(2).any(about) => Some(Failure::Deferred(why())),
        // A channel's mask or name that this network never has.
        (_, Some(476 | 479)) if line.params.iter().any(about) => Some(Failure::Refused(why())),
        // No line of ours should be any of these: no recipient, no text, too long, unknown.
        (_, Some(411 | 412 | 417 | 421 | 461)) => Some(Failure::Refused(why())),
        // Not for this target only: said too fast.
        (_, Some(263 | 439)) => Some(Failure::Deferred(why())),
        // No such nick, no such channel, not in it, banned, full, moderated, by invitation, with a
        // key, registered users only, does not hear strangers: may all be otherwise tomorrow.
        (_, Some(400..=599 | 716 | 717)) if line.params.iter().skip(1).any(about) => {
            Some(Failure::Deferred(why()))
        }
        _ => None,
    }
}

/// Without a line of the server for so long, it is asked whether it is there.
const QUIET_MAX: Duration = Duration::from_secs(120);
const CHANNELS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    fn of(text: &str, target: &str) -> Option<Failure> {
        refusal(&Line::read(text.as_bytes()).unwrap(), target)
    }

    #[test]
    fn a_refusal_is_for_its_target_and_seldom_for_good() {
        let deferred = |text, target| matches!(of(text, target), Some(Failure::Deferred(_)));
        assert!(deferred(":s 401 bot Ada :No such nick", "ada"));
        assert!(deferred(":s 473 bot #c :Cannot join (+i)", "#c"));
        assert!(deferred(":s 441 bot x #c :not there", "#c"));
        assert!(deferred(":s FAIL PRIVMSG CODE ada :no", "ada"));
        assert!(deferred(":s 263 bot PRIVMSG :Try again", "ada"));
        let unknown = of(":s 421 bot PRIVMSG :Unknown command", "ada");
        assert!(matches!(unknown, Some(Failure::Refused(_))), "{unknown:?}");
        assert!(matches!(of(":s 476 #c :Bad mask", "#c"), Some(Failure::Refused(_))));
        for (text, target) in [
            (":s 401 bot grace :No such nick", "ada"),
            (":s 301 bot ada :away", "ada"),
            (":s 433 ada x :in use", "ada"),
            (":eve PRIVMSG ada :401 ada", "ada"),
        ] {
            assert_eq!(of(text, target), None, "{text}");
        }
    }

    /// A session on one end of a pipe, and the other end.
    fn begin() -> (mpsc::Sender<Saying>, tokio::io::DuplexStream) {
        let (here, there) = tokio::io::duplex(64 * 1024);
        let patience = Duration::from_secs(30);
        let session = Session {
            wire: Wire::new(Box::new(here), patience),
            nick: "bot".to_owned(),
            pace: Pace::new(2, Duration::from_secs(2)),
            patience,
            joined: HashSet::new(),
            pings: 0,
        };
        let (says, sayings) = mpsc::channel(1);
        tokio::spawn(session.run(sayings));
        (says, there)
    }

    async fn heard(there: &mut BufReader<tokio::io::DuplexStream>) -> String {
        let mut line = String::new();
        there.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_server_is_pinged_and_a_dead_one_left() {
        let (says, there) = begin();
        let mut there = BufReader::new(there);
        let began = Instant::now();
        assert_eq!(heard(&mut there).await, "PING :tubepost-1");
        assert_eq!(began.elapsed(), QUIET_MAX);
        there.write_all(b":s PONG s :tubepost-1\r\nPING :x\r\n").await.unwrap();
        assert_eq!(heard(&mut there).await, "PONG :x");
        assert_eq!(heard(&mut there).await, "PING :tubepost-2");
        assert!(!says.is_closed());
        // Nothing more comes: after its patience it is over.
        says.closed().await;
        assert_eq!(began.elapsed(), QUIET_MAX * 2 + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn lines_keep_their_pace_while_pings_are_answered_and_a_lost_connection_is_away() {
        let (says, there) = begin();
        let mut there = BufReader::new(there);
        let (ended, outcome) = oneshot::channel();
        let lines = ["a", "b", "c"].map(str::to_owned).to_vec();
        says.send(Saying { target: "ada".to_owned(), lines, ended }).await.unwrap();
        let began = Instant::now();
        let mut times = Vec::new();
        for expected in ["PRIVMSG ada :a", "PRIVMSG ada :b"] {
            assert_eq!(heard(&mut there).await, expected);
            times.push(began.elapsed().as_secs());
        }
        there.write_all(b"PING :now\r\n").await.unwrap();
        assert_eq!(heard(&mut there).await, "PONG :now");
        times.push(began.elapsed().as_secs());
        for expected in ["PRIVMSG ada :c", "PING :tubepost-1"] {
            assert_eq!(heard(&mut there).await, expected);
            times.push(began.elapsed().as_secs());
        }
        assert_eq!(times, [0, 0, 0, 2, 4]);
        drop(there);
        let failure = outcome.await.unwrap().unwrap_err();
        assert!(matches!(failure, Failure::Away(_)), "{failure:?}");
        says.closed().await;
    }
}
