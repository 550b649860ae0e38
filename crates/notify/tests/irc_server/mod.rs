//! The IRC network of the tests: Debian's InspIRCd, with Atheme for accounts where a test logs in,
//! and people on it. All on loopback, and gone with the test.

#![allow(dead_code, reason = "each test takes what it needs")]

#[path = "../../../../tests/src/port.rs"]
mod port;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};

use port::free_port;

/// A running network.
pub(crate) struct Network {
    pub(crate) plain: u16,
    pub(crate) tls: u16,
    links: u16,
    threshold: u16,
    folder: tempfile::TempDir,
    server: Option<Running>,
    services: Option<Running>,
}

/// Killed with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Network {
    /// A server; `None`, said aloud, where Debian's packages are not.
    pub(crate) async fn start() -> Option<Network> {
        Network::start_with_threshold(1000).await
    }

    /// One that ends who says more than ten commands a second, twenty-five at once.
    pub(crate) async fn start_strict() -> Option<Network> {
        Network::start_with_threshold(25).await
    }

    async fn start_with_threshold(threshold: u16) -> Option<Network> {
        if !Path::new(INSPIRCD).exists() || !Path::new(ATHEME).exists() {
            eprintln!("skipped: Debian's inspircd and atheme-services are not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(at("certificate.pem"), certified.cert.pem()).unwrap();
        fs::write(at("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let [plain, tls, links] = std::array::from_fn(|_| free_port());
        let mut network =
            Network { plain, tls, links, threshold, folder, server: None, services: None };
        network.begin().await;
        Some(network)
    }

    /// As [`Network::start`], with NickServ and SASL.
    pub(crate) async fn start_with_services() -> Option<Network> {
        let mut network = Network::start().await?;
        let config = ATHEME_CONFIG.replace("{links}", &network.links.to_string());
        let data = network.file("atheme");
        fs::create_dir_all(&data).unwrap();
        fs::write(network.file("atheme.conf"), config).unwrap();
        let services = Command::new(ATHEME)
            .arg("-n")
            .arg("-c")
            .arg(network.file("atheme.conf"))
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(data.join("log"))
            .arg("-p")
            .arg(data.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        network.services = Some(Running(services));
        let mut person = network.person("early").await;
        until("NickServ to be there", async || {
            person.say("PRIVMSG NickServ :HELP").await;
            person.say("PING :there").await;
            !person.hear_until("PONG").await.iter().any(|line| line.contains(" 401 "))
        })
        .await;
        person.say("QUIT").await;
        Some(network)
    }

    /// Starts the server, where it was before.
    pub(crate) async fn begin(&mut self) {
        let mut config = INSPIRCD_CONFIG.replace("{folder}", &self.folder.path().to_string_lossy());
        let numbers = [
            ("plain", self.plain),
            ("tls", self.tls),
            ("links", self.links),
            ("threshold", self.threshold),
        ];
        for (name, number) in numbers {
            config = config.replace(&format!("{{{name}}}"), &number.to_string());
        }
        fs::write(self.file("inspircd.conf"), config).unwrap();
        // A copy: where AppArmor is on, Debian's profile lets the program itself read nothing here.
        let program = self.file("inspircd");
        fs::copy(INSPIRCD, &program).unwrap();
        let server = Command::new(program)
            .args(["--nofork", "--runasroot", "--config"])
            .arg(self.file("inspircd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(Running(server));
        until("the IRC server to listen", async || {
            TcpStream::connect(("127.0.0.1", self.tls)).await.is_ok()
        })
        .await;
    }

    /// Kills the server.
    pub(crate) fn end(&mut self) {
        self.server = None;
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody on it.
    pub(crate) async fn person(&self, nick: &str) -> Person {
        let stream = TcpStream::connect(("127.0.0.1", self.plain)).await.unwrap();
        let (read, write) = stream.into_split();
        let mut person = Person { lines: BufReader::new(read).lines(), write };
        person.say(&format!("NICK {nick}")).await;
        person.say(&format!("USER {nick} 0 * :{nick}")).await;
        person.hear(" 422 ").await;
        person
    }
}

/// A person's client.
pub(crate) struct Person {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Person {
    pub(crate) async fn say(&mut self, line: &str) {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// The next line with this in it.
    pub(crate) async fn hear(&mut self, part: &str) -> String {
        self.hear_until(part).await.pop().unwrap()
    }

    /// All lines up to one with this in it.
    pub(crate) async fn hear_until(&mut self, part: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let line = timeout(DEADLINE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no '{part}' in {heard:?}")).unwrap();
            heard.push(line.unwrap_or_else(|| panic!("ended before '{part}': {heard:?}")));
            if heard.last().unwrap().contains(part) {
                return heard;
            }
        }
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await; // tidy: between two looks
        }
    };
    timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

const DEADLINE: Duration = Duration::from_secs(30);
const INSPIRCD: &str = "/usr/sbin/inspircd";
const ATHEME: &str = "/usr/bin/atheme-services";

const INSPIRCD_CONFIG: &str = r#"<config format="xml">
<server name="irc.test" description="test" network="Test" id="1AA">
<admin name="test" nick="test" email="test@irc.test">
<path configdir="{folder}" datadir="{folder}" logdir="{folder}" runtimedir="{folder}"
      moduledir="/usr/lib/inspircd/modules">
<bind address="127.0.0.1" port="{plain}" type="clients">
<bind address="127.0.0.1" port="{tls}" type="clients" sslprofile="clients">
<bind address="127.0.0.1" port="{links}" type="servers">
<sslprofile name="clients" provider="gnutls" certfile="{folder}/certificate.pem"
            keyfile="{folder}/key.pem" hash="sha256" requestclientcert="yes">
<connect allow="*" timeout="30" pingfreq="120" threshold="{threshold}" commandrate="10000" fakelag="no"
         softsendq="8192" hardsendq="1048576" recvq="8192" localmax="100" globalmax="100"
         resolvehostnames="no" useident="no">
<module name="ssl_gnutls"><module name="sha256"><module name="cap"><module name="sasl">
<module name="services_account"><module name="sslinfo"><module name="spanningtree">
<options defaultmodes="not">
<performance softlimit="100" nofile="yes">
<limits maxnick="30" maxident="11">
<link name="services.test" ipaddr="127.0.0.1" port="{links}" allowmask="127.0.0.1/32"
      sendpass="link" recvpass="link">
<uline server="services.test" silent="yes">
<sasl target="services.test" requiressl="no">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="ircd.log">
"#;

const ATHEME_CONFIG: &str = r#"
loadmodule "modules/protocol/inspircd";
loadmodule "modules/backend/opensex";
loadmodule "modules/crypto/rawsha1";
loadmodule "modules/nickserv/main";
loadmodule "modules/nickserv/help";
loadmodule "modules/nickserv/register";
loadmodule "modules/nickserv/cert";
loadmodule "modules/saslserv/main";
loadmodule "modules/saslserv/plain";
loadmodule "modules/saslserv/external";
serverinfo {
    name = "services.test"; desc = "services"; numeric = "00A"; recontime = 1; netname = "Test";
    hidehostsuffix = "users"; adminname = "test"; adminemail = "test@irc.test";
    registeremail = "test@irc.test"; mta = "/bin/true"; loglevel = { error; }; auth = none;
    casemapping = rfc1459;
};
uplink "irc.test" {
    host = "127.0.0.1"; port = {links}; send_password = "link"; receive_password = "link";
};
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "accounts"; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "logins"; };
database {};
general { commit_interval = 5; };
"#;
