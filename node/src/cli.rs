//! The command line: noun and verb, the same words as the API.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use weir_model::decision::{Profile, Role};
use weir_model::intent::Mode;

/// Weir 堰: dispatch for flood command / 防汛指挥调度集群
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Found a cluster: this node becomes its first voter / 建立集群
    Init {
        #[command(flatten)]
        config: ConfigArg,
        /// Timing: lan up to 20 ms between voters, wan up to 100 ms
        #[arg(long, value_enum, default_value = "wan")]
        profile: ProfileArg,
    },
    /// Join a cluster with a token / 用令牌加入集群
    Join {
        #[command(flatten)]
        config: ConfigArg,
        /// From `weir token create`
        #[arg(long, env = "WEIR_TOKEN", hide_env_values = true)]
        token: String,
        #[arg(long, value_enum, default_value = "learner")]
        role: RoleArg,
    },
    /// Run this node / 运行本节点
    Run {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Decodes audio for this node, in a process of its own
    #[command(hide = true)]
    MediaWorker,
    /// How the cluster looks from this node / 查看状态
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// One-time tokens for nodes that join / 加入令牌
    #[command(subcommand)]
    Token(TokenCommand),
    /// Nodes of the cluster / 节点成员
    #[command(subcommand)]
    Member(MemberCommand),
    /// Bring the directory to what a file says / 按文件更新目录
    Apply {
        #[command(flatten)]
        target: OptionalTarget,
        /// The directory file
        #[arg(short, long)]
        file: PathBuf,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// People who sign in / 人员口令
    #[command(subcommand)]
    Person(PersonCommand),
    /// The duty board / 值班白板
    #[command(subcommand)]
    Board(BoardCommand),
    /// Plans: launch, look, answer, stop / 预案
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Play an audio file in one zone, outside any plan / 单独广播
    Page {
        #[command(flatten)]
        target: Target,
        zone: String,
        #[arg(long)]
        audio: String,
        /// How many times
        #[arg(long, default_value = "1")]
        repeat: u32,
        /// There is no default: say what you mean
        #[arg(long, value_enum)]
        mode: ModeArg,
        /// Seconds until an order that has not arrived is void
        #[arg(long)]
        not_after: Option<u64>,
    },
    /// Calls of this site / 通话
    #[command(subcommand)]
    Call(CallCommand),
    /// Conferences of this site / 会商
    #[command(subcommand)]
    Conference(ConferenceCommand),
    /// Passwords of telephones and loudspeakers / 设备口令
    #[command(subcommand)]
    Secret(SecretCommand),
    /// What plans play, and where it lies / 音频
    #[command(subcommand)]
    Sound(SoundCommand),
    /// What happened, and proof of it / 日志
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Drills on the emulated link / 链路演练
    #[command(subcommand)]
    Link(LinkCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token that lets one node join once
    Create {
        #[command(flatten)]
        target: Target,
        /// What the node that joins with it may be
        #[arg(long, value_enum, default_value = "learner")]
        role: RoleArg,
        /// Seconds until it expires
        #[arg(long)]
        ttl: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Take a node out for good; its certificate is worthless at once
    Remove {
        #[command(flatten)]
        target: Target,
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Set a person's password: typed twice, or one line of standard input
    Passwd {
        #[command(flatten)]
        target: Target,
        who: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BoardCommand {
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Write a line; an empty text wipes it
    Set {
        #[command(flatten)]
        target: Target,
        key: String,
        text: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Launch a plan at a site; a second launch joins the first
    Start {
        #[command(flatten)]
        target: Target,
        plan: String,
        #[arg(long)]
        site: String,
        /// There is no default: say what you mean
        #[arg(long, value_enum)]
        mode: ModeArg,
        /// Seconds until a launch that has not arrived is void
        #[arg(long)]
        not_after: Option<u64>,
    },
    /// What this node's site runs
    Status {
        #[command(flatten)]
        target: Target,
    },
    Abort {
        #[command(flatten)]
        target: Target,
        activation: String,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Answer a plan's question
    Confirm {
        #[command(flatten)]
        target: Target,
        activation: String,
        step: String,
        #[arg(value_enum)]
        answer: YesNo,
        #[command(flatten)]
        run: RunArgs,
    },
    /// One more attempt at a zone
    Repeat {
        #[command(flatten)]
        target: Target,
        activation: String,
        step: String,
        zone: String,
        /// The number the attempt would have
        #[arg(long)]
        attempt: u16,
        #[command(flatten)]
        run: RunArgs,
    },
    /// How a launch that was sent from this node is doing
    Delivery {
        #[command(flatten)]
        target: Target,
        intent: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    /// Who talks with whom
    List {
        #[command(flatten)]
        target: Target,
    },
    /// End a call
    End {
        #[command(flatten)]
        target: Target,
        /// From `weir call list`
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConferenceCommand {
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Who is in it
    Show {
        #[command(flatten)]
        target: Target,
        /// Its number or its id
        room: String,
    },
    /// Call people of the directory together, outside any plan
    Open {
        #[command(flatten)]
        target: Target,
        /// Three digits, 500 to 599
        room: String,
        #[arg(required = true)]
        members: Vec<String>,
        /// The key that whoever is rung joins with
        #[arg(long)]
        confirm: Option<u8>,
    },
    /// Nobody hears them; without a name, all but the chair
    Mute {
        #[command(flatten)]
        target: Target,
        room: String,
        who: Option<String>,
    },
    Unmute {
        #[command(flatten)]
        target: Target,
        room: String,
        who: Option<String>,
    },
    /// Only the chair speaks
    Lecture {
        #[command(flatten)]
        target: Target,
        room: String,
        #[arg(value_enum)]
        turn: OnOff,
    },
    /// Nobody calls in any more
    Lock {
        #[command(flatten)]
        target: Target,
        room: String,
    },
    Unlock {
        #[command(flatten)]
        target: Target,
        room: String,
    },
    /// Out, until invited again
    Remove {
        #[command(flatten)]
        target: Target,
        room: String,
        who: String,
    },
    /// One more person of the directory
    Invite {
        #[command(flatten)]
        target: Target,
        room: String,
        who: String,
    },
    /// Ring again whoever is not in it
    Redial {
        #[command(flatten)]
        target: Target,
        room: String,
        who: String,
    },
    End {
        #[command(flatten)]
        target: Target,
        room: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Make passwords; each is shown once
    Make {
        #[command(flatten)]
        target: Target,
        /// Every device of this site that has none yet
        #[arg(long, required_unless_present = "number")]
        site: Option<String>,
        /// This device, even if it has one already
        #[arg(long = "number", id = "number")]
        numbers: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SoundCommand {
    /// Every sound, and which nodes hold them all
    List {
        #[command(flatten)]
        target: Target,
    },
}

/// Where a run is, and in which mode it was launched.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    #[arg(long)]
    pub(crate) site: String,
    #[arg(long, value_enum)]
    pub(crate) mode: ModeArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ModeArg {
    Real,
    Drill,
    Test,
}

impl From<ModeArg> for Mode {
    fn from(arg: ModeArg) -> Self {
        match arg {
            ModeArg::Real => Self::Real,
            ModeArg::Drill => Self::Drill,
            ModeArg::Test => Self::Test,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// The newest facts of every site this node knows of
    Tail {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value = "50")]
        limit: usize,
    },
    /// How far journals have come and how safely they are kept
    Kept {
        #[command(flatten)]
        target: Target,
    },
    /// Write a line into the journal
    Note {
        #[command(flatten)]
        target: Target,
        text: String,
    },
    /// Check a journal: an exported file, offline, or one that a node keeps
    Verify {
        #[command(flatten)]
        target: OptionalTarget,
        /// An exported journal
        file: Option<PathBuf>,
        /// Whose journal (number, as in n4); the node's own if absent
        #[arg(long)]
        node: Option<u64>,
    },
    /// Write a journal to a file that verifies without a cluster
    Export {
        #[command(flatten)]
        target: Target,
        file: PathBuf,
        /// Whose journal (number, as in n4); the node's own if absent
        #[arg(long)]
        node: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// Cut this node off
    Cut {
        #[command(flatten)]
        target: Target,
    },
    /// Join it again
    Heal {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArg {
    /// The node's file
    #[arg(short, long, env = "WEIR_CONFIG", default_value = "/etc/weir/node.toml")]
    pub(crate) config: PathBuf,
}

/// Which running node to talk to, on whose behalf, and how to print.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// The node's Unix socket
    #[arg(short, long, env = "WEIR_SOCKET", default_value = "/var/lib/weir/weir.sock")]
    pub(crate) socket: PathBuf,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// As [`Target`], for what can also be done without a node.
#[derive(Debug, ClapArgs)]
pub(crate) struct OptionalTarget {
    /// The node's Unix socket
    #[arg(short, long, env = "WEIR_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Asking {
    /// The person of the directory who asks
    #[arg(long = "as", value_name = "PERSON")]
    pub(crate) person: Option<String>,
    /// The same key is never carried out twice
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProfileArg {
    Lan,
    Wan,
}

impl From<ProfileArg> for Profile {
    fn from(arg: ProfileArg) -> Self {
        match arg {
            ProfileArg::Lan => Self::Lan,
            ProfileArg::Wan => Self::Wan,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    Voter,
    Learner,
}

impl From<RoleArg> for Role {
    fn from(arg: RoleArg) -> Self {
        match arg {
            RoleArg::Voter => Self::Voter,
            RoleArg::Learner => Self::Learner,
        }
    }
}
