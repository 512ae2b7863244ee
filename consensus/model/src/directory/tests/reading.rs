//! Reading a file: a good one is read, a bad one is refused with every mistake,
//! each with its line and its remedy.

use super::super::{FaultCode, RecordKind, RosterName, StepKind, limits, read};
use super::{DEMO, demo, id, shown};

#[test]
fn the_demo_directory_has_no_mistake() {
    let demo = demo();
    assert_eq!(demo.count(RecordKind::Site), 8);
    let speakers = demo.zones.values().map(|zone| zone.speakers.len()).sum::<usize>();
    assert_eq!((demo.zones.len(), speakers), (14, 83));
    let village = &demo.zones["5403"].speakers;
    assert_eq!(village[0].id.as_str(), "5403-01");
    assert_eq!(village[8].extension.as_str(), "5459");
    let kinds = demo.plans["P-38-page"].steps.iter().map(|step| step.kind.word());
    assert_eq!(kinds.collect::<Vec<_>>(), ["pa.play", "delay", "confirm", "pa.play"]);
}

const TEN_MISTAKES: &str = r#"
[[site]]
id = "R3"
name_zh = "青峰水库"
prefix = "5"
class = "reservoir"
nodes = ["r3"]
links = [{ to = "RC", kind = "fibre", rtt_ms = -4, up_kbps = 100, down_kbps = 100 }]

[[person]]
id = "li qingsong"
name = "李青松"
nick = "老李"

[[zone]]
id = "6403"
site = "R3"
name_zh = "下游三村"
name_en = "Three villages"
speakers = { count = 2, first = "5451" }

[[camera]]
id = "gates"
site = "R3"
name = 闸下
url = "rtsp://admin:secret@camera.example/1"

[[audio]]
id = "aud-release"
lang = "zh-CN"
text = "水库将于30分钟后泄洪"

[[plan]]
id = "P-1"
name_zh = "预案"
name_en = "Plan"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "sms"
roster = "all"

[[plan.step]]
id = "s2"
kind = "delay"
"#;

#[test]
fn a_file_with_ten_mistakes_names_all_ten_with_their_lines() {
    let mistakes = read(TEN_MISTAKES).unwrap_err();
    let found: Vec<_> = mistakes.iter().map(|one| (one.line, one.fault.code)).collect();
    let expected = [
        (8, FaultCode::UnknownReference),
        (8, FaultCode::OutOfRange),
        (11, FaultCode::BadName),
        (13, FaultCode::UnknownKey),
        (16, FaultCode::WrongPrefix),
        (25, FaultCode::Syntax),
        (26, FaultCode::BadValue),
        (31, FaultCode::TimeLiteral),
        (42, FaultCode::UnknownStepKind),
        (45, FaultCode::MissingKey),
    ];
    assert_eq!(found, expected, "{}", shown(&mistakes));
    assert_eq!(mistakes.len(), 10);
    for mistake in &mistakes {
        let fault = &mistake.fault;
        for text in [&fault.what_zh, &fault.what_en, &fault.remedy_zh, &fault.remedy_en] {
            assert!(!text.is_empty(), "{mistake:?}");
        }
    }
    let all = shown(&mistakes);
    assert!(all.contains("line 11: "), "{all}");
    assert!(!all.contains("secret"), "a password is not repeated: {all}");
}

#[test]
fn an_unknown_step_kind_is_refused_by_name() {
    let text = DEMO.replacen(r#"kind = "delay""#, r#"kind = "sms""#, 1);
    let mistakes = read(&text).unwrap_err();
    let [mistake, ..] = mistakes.as_slice() else { panic!("nothing was refused") };
    assert_eq!(mistakes.len(), 1, "{}", shown(&mistakes));
    assert_eq!(
        mistake.fault.what_en,
        "step kind `sms` is not known to this version; known: pa.play, delay, confirm, \
         call.roster, message, conference.open"
    );
}

#[test]
fn a_mistyped_key_is_answered_with_the_key_that_was_meant() {
    let text = DEMO.replacen("name_zh", "nmae_zh", 1);
    let all = shown(&read(&text).unwrap_err());
    assert!(all.contains("did you mean name_zh?"), "{all}");
}

/// One broken line costs one mistake, not one for everything that named what
/// stood there.
#[test]
fn a_broken_line_is_not_blamed_for_what_it_took_along() {
    for broken in ["[[site]", "id = HQ", "id \"HQ\"", "id = \"HQ", "id = = \"HQ\""] {
        let good = if broken.starts_with('[') { "[[site]]" } else { "id = \"HQ\"" };
        let text = DEMO.replacen(good, broken, 1);
        let mistakes = read(&text).unwrap_err();
        let codes: Vec<_> = mistakes.iter().map(|one| one.fault.code).collect();
        assert_eq!(codes, [FaultCode::Syntax], "{broken}: {}", shown(&mistakes));
    }
}

#[test]
fn a_record_written_twice_is_named_with_the_line_of_the_first() {
    let twice = "\n[[audio]]\nid = \"aud-red\"\nlang = \"en\"\ntext = \"Leave at 20:30\"\n";
    let text = format!("{DEMO}{twice}");
    let mistakes = read(&text).unwrap_err();
    let codes: Vec<_> = mistakes.iter().map(|one| one.fault.code).collect();
    assert_eq!(codes, [FaultCode::Duplicate, FaultCode::TimeLiteral], "{}", shown(&mistakes));
    let first = DEMO.lines().position(|line| line == "id = \"aud-red\"").unwrap();
    let said = format!("stands on line {first} already");
    assert!(mistakes[0].fault.what_en.contains(&said), "{}", shown(&mistakes));
}

/// Each line is one mistake that a keeper of the directory makes, as an edit of
/// the demo file, and the code that answers it.
#[test]
fn each_rule_of_the_directory_has_its_refusal() {
    use FaultCode as Code;
    let edits: [(&str, &str, Code); 35] = [
        ("to = \"HQ\"", "to = \"XX\"", Code::UnknownReference),
        ("prefix = \"2\"", "prefix = \"11\"", Code::Duplicate),
        ("nodes = [\"rc1\"]", "nodes = [\"hq1\"]", Code::Duplicate),
        ("class = \"regional\"", "class = 2", Code::WrongType),
        ("sites = [\"R3\"]", "sites = [\"R9\"]", Code::UnknownReference),
        ("rank = 5", "rank = 3", Code::Rights),
        ("mobile = \"+86", "mobile = \"86 ", Code::BadValue),
        ("owner = \"lin.guodong\"", "owner = \"lin.guodon\"", Code::UnknownReference),
        ("first = \"5451\"", "first = \"5431\"", Code::Duplicate),
        ("first = \"5451\"", "first = \"9995\"", Code::BadValue),
        ("count = 9", "count = 0", Code::OutOfRange),
        ("id = \"5403\"", "id = \"5001\"", Code::Duplicate),
        ("{ person = \"xiawan.head\" }", "{ person = \"xiawan\" }", Code::UnknownReference),
        ("rtsp://camera-1", "http://camera-1", Code::BadValue),
        ("将于{minutes}分钟", "将于{minutes分钟", Code::Template),
        ("audio = \"aud-red\"", "audio = \"aud-release-10\"", Code::Template),
        ("$SITE403", "$SITE409", Code::UnknownReference),
        ("grade = \"receiving\"", "grade = \"heard\"", Code::Grade),
        ("authority = [\"commander\"", "authority = [\"dispatcher\"", Code::Rights),
        ("timeout_s = 60", "timeout_s = 999999999999", Code::OutOfRange),
        ("roster = \"site.duty\"", "roster = \"site.day\"", Code::UnknownReference),
        ("mode = \"blast\"", "mode = \"blust\"", Code::UnknownWord),
        ("retry = 2", "retry = 4", Code::OutOfRange),
        ("ack = 1", "ack = 10", Code::OutOfRange),
        ("请保持通讯畅通", "请于20:30前到岗", Code::TimeLiteral),
        ("{site}发布", "{minutes}后", Code::Template),
        ("id = \"R3.duty\"", "id = \"site.duty\"", Code::BadValue),
        ("room = \"500\"", "room = \"2500\"", Code::BadValue),
        ("room = \"500\"", "room = 500", Code::WrongType),
        (
            "\"site.duty\", \"RC.dispatch\"",
            "\"site.duty\", \"RC.despatch\"",
            Code::UnknownReference,
        ),
        ("\"site.duty\", \"RC.dispatch\"", "\"site.duty\", \"site.duty\"", Code::Duplicate),
        ("[\"site.duty\", \"RC.dispatch\"]", "[]", Code::Empty),
        ("min_join = 2", "min_join = 65", Code::OutOfRange),
        ("wait_s = 60", "wait_s = 601", Code::OutOfRange),
        ("wait_s = 60", "confirm = 10", Code::OutOfRange),
    ];
    for (from, to, code) in edits {
        assert!(DEMO.contains(from), "the demo file no longer holds {from}");
        let text = DEMO.replacen(from, to, 1);
        let line = 1 + DEMO[..DEMO.find(from).unwrap()].matches('\n').count();
        let mistakes = read(&text).expect_err(to);
        let here = mistakes.iter().find(|one| one.line as usize == line);
        let found = here.map(|one| one.fault.code);
        assert_eq!(found, Some(code), "{to}: {}", shown(&mistakes));
    }
}

/// The conference of the orange plan, with other words in it.
fn meeting(from: &str, to: &str) -> Vec<(u32, FaultCode)> {
    let text = DEMO.replacen(from, to, 1);
    let line = |at: &str| 1 + text[..text.find(at).unwrap()].matches('\n').count();
    let begins = u32::try_from(line("kind = \"conference.open\"")).unwrap();
    let mistakes = read(&text).err().unwrap_or_default();
    mistakes.iter().map(|one| (one.line - begins, one.fault.code)).collect()
}

#[test]
fn a_conference_that_could_never_fill_is_refused() {
    let rosters = "[\"site.duty\", \"RC.dispatch\"]";
    let wanting = |of: &str, many: u32| {
        meeting(
            &format!("rosters = {rosters}\nmin_join = 2"),
            &format!("rosters = {of}\nmin_join = {many}"),
        )
    };
    let too_many = vec![(4, FaultCode::OutOfRange)];
    assert_eq!(wanting("[\"RC.dispatch\"]", 3), too_many);
    assert_eq!(wanting("[\"RC.dispatch\"]", 2), []);
    // One person on two lists is one person.
    assert_eq!(wanting("[\"village.heads\", \"R3.village.heads\"]", 9), too_many);
    // Who has the duty differs from site to site.
    assert_eq!(wanting("[\"RC.dispatch\", \"site.duty\"]", 3), []);
    assert_eq!(wanting("[\"site.duty\"]", 64), []);
    assert_eq!(wanting("[]", 1), [(3, FaultCode::Empty)]);
    let named = ["HQ", "RC", "R1", "R2", "R3", "R4", "R5", "R6"].map(|at| format!("\"{at}.duty\""));
    assert_eq!(wanting(&format!("[{}]", named.join(", ")), 8), []);
    let nine = format!("[{}, \"county\"]", named.join(", "));
    assert_eq!(wanting(&nine, 2), [(3, FaultCode::TooMany)]);
}

#[test]
fn a_conference_of_more_people_than_a_room_holds_is_refused() {
    let people = |n: usize| format!("[[person]]\nid = \"v{n}\"\nname = \"村民\"\n\n");
    let member = |n: usize| format!("  {{ person = \"v{n}\" }},\n");
    let crowd: String = (0..65).map(people).collect();
    let members: String = (0..65).map(member).collect();
    let crowd =
        format!("{crowd}[[roster]]\nid = \"crowd\"\nmembers = [\n{members}]\n\n# ── Cameras");
    let text =
        DEMO.replacen("# ── Cameras", &crowd, 1).replacen("\"RC.dispatch\"]", "\"crowd\"]", 1);
    let mistakes = read(&text).unwrap_err();
    let [mistake] = mistakes.as_slice() else { panic!("{}", shown(&mistakes)) };
    assert_eq!(mistake.fault.code, FaultCode::TooMany);
    assert!(mistake.fault.what_en.starts_with("these rosters hold 65 people"), "{mistake}");
    let fewer = text.replacen("  { person = \"v64\" },\n", "", 1);
    assert!(read(&fewer).is_ok());
}

/// Whoever is told to dial it would get a telephone.
#[test]
fn a_room_whose_number_is_a_telephone_somewhere_is_refused() {
    let text = DEMO.replacen("number = \"7102\"", "number = \"7500\"", 1);
    let mistakes = read(&text).unwrap_err();
    let [mistake] = mistakes.as_slice() else { panic!("{}", shown(&mistakes)) };
    assert_eq!(mistake.fault.code, FaultCode::Duplicate);
    assert_eq!(mistake.fault.what_en, "500 already belongs to extension 7500");
}

#[test]
fn a_conference_says_by_itself_how_long_it_waits_and_lets_in_whoever_answers() {
    let kind = |text: &str| {
        let directory = read(text).unwrap_or_else(|mistakes| panic!("{}", shown(&mistakes)));
        directory.plans["P-37-core"].steps[2].kind.clone()
    };
    let StepKind::ConferenceOpen(as_written) = kind(DEMO) else { panic!() };
    assert_eq!((as_written.wait_s, as_written.confirm), (60, Some(1)));
    let without = DEMO.replacen("wait_s = 60\nconfirm = 1\n", "", 1);
    let StepKind::ConferenceOpen(other) = kind(&without) else { panic!() };
    assert_eq!((other.wait_s, other.confirm), (60, None));
    assert_eq!(other.rosters, [RosterName::SiteDuty, RosterName::Fixed(id("RC.dispatch"))]);
}

#[test]
fn a_file_that_is_too_long_is_refused_without_being_read() {
    let mistakes = read(&" ".repeat(limits::FILE_MAX_BYTES + 1)).unwrap_err();
    assert_eq!(mistakes[0].fault.code, FaultCode::FileTooLarge);
}

#[test]
fn a_wall_of_mistakes_is_cut_and_counted() {
    let text = "[[person]]\n".repeat(2_000);
    let mistakes = read(&text).unwrap_err();
    assert_eq!(mistakes.len(), limits::MISTAKES_MAX + 1);
    let last = &mistakes[limits::MISTAKES_MAX].fault;
    assert_eq!(
        (last.code, last.what_en.as_str()),
        (FaultCode::TooMany, "3000 more mistakes follow")
    );
}

#[test]
fn a_launch_resolves_zones_by_its_site() {
    let demo = demo();
    let names = |text: &str| vec![super::super::ZoneName::try_from(text.to_owned()).unwrap()];
    let at = |text: &str, site: &str| {
        let zones = demo.resolve(&names(text), &id(site));
        zones.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(at("$SITE*", "R3"), ["5401", "5402", "5403"]);
    assert_eq!(at("$SITE403", "R5"), ["7403"]);
    assert_eq!(at("$SITE402", "R5"), Vec::<String>::new());
    assert_eq!(at("5403", "R5"), ["5403"]);
    let zones = demo.resolve(&names("$SITE*"), &id("R3"));
    assert_eq!(demo.speakers_of(&zones).count(), 17);
}

#[test]
fn every_number_leads_to_its_device() {
    let demo = demo();
    let all = demo.endpoints();
    assert_eq!(all.len(), demo.extensions.len() + demo.zones.len() + 83);
    for (number, endpoint) in all {
        assert_eq!(demo.endpoint(&id(number)), Some(endpoint));
        assert!(number.starts_with(&demo.sites[endpoint.site()].prefix));
    }
    assert_eq!(demo.endpoint(&id("5999")), None);
}
