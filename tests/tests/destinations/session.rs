//! A person's session without a screen: a bus of D-Bus, an X server and dunst on it, the
//! notification daemon of many, and a browser that notes what it is to open.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use harness::{Process, Site, run, wait_for};

/// The session. Dropped, all of it is killed.
pub(crate) struct Session {
    folder: PathBuf,
    display: String,
    bus: String,
    dunst: Option<Process>,
    _dbus: Process,
    screen: Process,
}

/// No services that are started by name, no other buses: whoever is on it, came by itself.
const BUS: &str = r#"<!DOCTYPE busconfig
 PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Bubbles that stay until they are closed, with markup, and an icon if the theme has one.
const DUNST: &str = "[global]\nmonitor = 0\nmarkup = full\nformat = \"<b>%s</b>\\n%b\"\n\
    history_length = 100\nnotification_limit = 20\nsort = no\nstack_duplicates = false\n\
    font = DejaVu Sans 11\nwidth = 420\nheight = 240\nword_wrap = yes\n\
    [urgency_low]\ntimeout = 0\n[urgency_normal]\ntimeout = 0\n[urgency_critical]\ntimeout = 0\n\
    frame_color = \"#ff0000\"\n";

/// It would open what it is told to.
const BROWSER: &str = "#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$OPENED\"\n";

impl Session {
    /// One in this site's directory.
    ///
    /// # Errors
    /// A program is not installed, or ends, with its log.
    pub(crate) fn start(site: &Site) -> Result<Session> {
        let folder = site.path("session");
        let bus = BUS.replace("FOLDER", &folder.display().to_string());
        let bus_file = site.write("session/bus.conf", bus)?;
        site.write("session/dunstrc", DUNST)?;
        let browser = site.write("session/bin/xdg-open", BROWSER)?;
        fs::set_permissions(browser, fs::Permissions::from_mode(0o755))?;

        let mut screen = Command::new("Xvfb");
        screen.args(["-displayfd", "1", "-screen", "0", "900x700x24", "-nolisten", "tcp"]);
        let mut screen = Process::start("Xvfb", &mut screen)?;
        let mut dbus = Command::new("dbus-daemon");
        dbus.arg("--nofork").arg("--print-address").arg("--config-file").arg(bus_file);
        let mut dbus = Process::start("dbus-daemon", &mut dbus)?;
        let number = |line: &str| !line.is_empty() && line.bytes().all(|it| it.is_ascii_digit());
        let display = format!(":{}", screen.wait_for_line("its display", 20, number)?);
        let bus = dbus.wait_for_line("its address", 20, |line| line.starts_with("unix:"))?;
        let mut session = Session { folder, display, bus, dunst: None, _dbus: dbus, screen };
        session.start_daemon()?;
        Ok(session)
    }

    /// What a program of this session has in its environment.
    pub(crate) fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let bin = self.folder.join("bin");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("OPENED", self.opened_file())
    }

    /// Starts the notification daemon, and waits until it answers.
    ///
    /// # Errors
    /// It does not come up.
    pub(crate) fn start_daemon(&mut self) -> Result<()> {
        let mut command = Command::new("dunst");
        command.arg("-print").arg("-conf").arg(self.folder.join("dunstrc"));
        let dunst = Process::start("dunst", self.furnish(&mut command))?;
        self.dunst = Some(dunst);
        wait_for("dunst to answer", 20, || {
            self.dunstctl(&["is-paused"]).map_err(|error| format!("{error:#}"))
        })?;
        Ok(())
    }

    /// Kills the notification daemon.
    ///
    /// # Errors
    /// It had ended.
    pub(crate) fn kill_daemon(&mut self) -> Result<()> {
        self.dunst.take().map_or(Ok(()), |mut dunst| dunst.kill())
    }

    /// What `dunstctl` prints.
    ///
    /// # Errors
    /// dunst is not there.
    pub(crate) fn dunstctl(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("dunstctl");
        let done = run("dunstctl", self.furnish(command.args(words)), b"", 20)?;
        ensure!(done.code() == 0, "dunstctl {words:?}: {}", done.stderr);
        Ok(done.stdout.trim().to_owned())
    }

    /// Waits until so many bubbles are on the screen.
    ///
    /// # Errors
    /// The deadline passed.
    pub(crate) fn wait_for_bubbles(&self, count: usize) -> Result<()> {
        wait_for(&format!("{count} bubbles"), 30, || {
            let shown = self.dunstctl(&["count", "displayed"]).map_err(|it| format!("{it:#}"))?;
            if shown == count.to_string() { Ok(()) } else { Err(shown) }
        })
    }

    /// What this daemon was told to show, in order, with what took another's place.
    pub(crate) fn told(&self) -> Vec<Bubble> {
        let lines = self.dunst.as_ref().map(Process::stdout).unwrap_or_default();
        let text = lines.join("\n");
        // The last one may not be whole yet.
        let whole = text.rsplit_once("\n}").map_or("", |(whole, _)| whole);
        whole.split("\n}\n").filter(|it| !it.is_empty()).map(Bubble::of).collect()
    }

    /// Waits until one was told that `is_it`, and gives it.
    ///
    /// # Errors
    /// The deadline passed.
    pub(crate) fn wait_for(&self, what: &str, is_it: impl Fn(&Bubble) -> bool) -> Result<Bubble> {
        wait_for(what, 30, || {
            let told = self.told();
            told.into_iter().rev().find(&is_it).ok_or_else(|| format!("{:?}", self.told()))
        })
    }

    /// Waits until the browser was to open this.
    ///
    /// # Errors
    /// It was not.
    pub(crate) fn wait_for_opened(&self, link: &str) -> Result<()> {
        wait_for("the browser", 20, || {
            let opened = fs::read_to_string(self.opened_file()).unwrap_or_default();
            if opened.lines().any(|line| line == link) { Ok(()) } else { Err(opened) }
        })
    }

    /// A picture of the screen, if somebody wants to look.
    ///
    /// # Errors
    /// `import` is not there.
    pub(crate) fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("TUBEPOST_PICTURES") else { return Ok(()) };
        let mut command = Command::new("import");
        command.args(["-window", "root"]).arg(Path::new(&folder).join(name));
        run("import", self.furnish(&mut command), b"", 20).map(drop)
    }

    fn opened_file(&self) -> PathBuf {
        self.folder.join("opened")
    }
}

/// Killed, an X server would leave its lock behind.
impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.screen.terminate(5);
    }
}

/// As dunst prints it.
#[derive(Debug)]
pub(crate) struct Bubble {
    pub(crate) app: String,
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) icon: String,
    pub(crate) urgency: String,
}

impl Bubble {
    fn of(text: &str) -> Bubble {
        let between = |begin: &str, end: &str| {
            let rest = text.split_once(begin).map_or("", |(_, rest)| rest);
            rest.split_once(end).map_or("", |(value, _)| value).to_owned()
        };
        Bubble {
            app: between("\tappname: '", "'\n\tsummary"),
            summary: between("\tsummary: '", "'\n\tbody"),
            body: between("\tbody: '", "'\n\ticon"),
            icon: between("\ticon: '", "'\n"),
            urgency: between("\turgency: ", "\n"),
        }
    }
}
