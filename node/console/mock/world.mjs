// A small invented river basin that moves: five sites, a red page that runs at R3,
// R5 cut off. It keeps the contract's shapes and nothing else; it decides nothing
// that a node would decide.

const at = (s) => Date.now() - s * 1000;
let serial = 0;
const hex = () => (++serial).toString(16).padStart(4, '0') + 'a7c1e95b20d4f6830b1c2d3e4f50'.slice(0, 28);

const zone = (id, site, zh, en, n, registered) => ({
  id, site, name_zh: zh, name_en: en, speakers_total: n, registered, page: null,
  speakers: Array.from({ length: n }, (_, i) => ({
    id: `${id}-${String(i + 1).padStart(2, '0')}`,
    extension: String(Number(id) + 10 + (Number(id) % 10) * 20 - 20 + i),
    registered: registered === null ? null : i < registered,
    state: registered === null ? null : 'idle',
  })),
});

const site = (id, zh, en, kind, prefix, link, extra = {}) => ({
  id, name_zh: zh, name_en: en, class: kind, prefix, here: false, health: 'ok', age_ms: 400, link,
  nodes: [{
    name: `${id.toLowerCase()}${kind === 'reservoir' ? '' : '1'}`, id: Number(prefix),
    role: kind === 'reservoir' && link?.kind === 'geo' ? 'learner' : 'voter',
    satellite: link?.kind === 'geo', connected: true, rtt_ms: link?.rtt_ms ?? null,
    heard_ms_ago: 400, leader: id === 'HQ',
  }],
  ...extra,
});

export function newWorld() {
  const world = {
    person: null,
    overview: {
      node: 'hq1', site: 'HQ', cluster: 'qinglan', version: '0.1.0', leader: 'hq1', term: 7,
      quorum: true, local_mode: { on: false, since_ms: null, suspect: false }, unrecorded: false,
      storage_stopped: null, now_ms: Date.now(),
      sites: [
        site('HQ', '流域防汛指挥中心', 'Basin flood command', 'headquarters', '1', null,
          { here: true, age_ms: 0 }),
        site('RC', '云石市区域指挥中心', 'Yunshi regional command', 'regional', '2',
          { kind: 'fibre', rtt_ms: 4 }),
        site('R1', '龙潭水库', 'Longtan reservoir', 'reservoir', '3', { kind: 'fibre', rtt_ms: 8 }),
        site('R3', '青峰水库', 'Qingfeng reservoir', 'reservoir', '5',
          { kind: 'microwave', rtt_ms: 14 }),
        site('R5', '云岭水库', 'Yunling reservoir', 'reservoir', '7', { kind: 'geo', rtt_ms: 640 }),
      ],
    },
    zones: [
      zone('3401', 'R1', '坝顶', 'Dam crest', 8, null),
      zone('3402', 'R1', '溢洪道/消力池', 'Spillway and stilling basin', 6, null),
      zone('3403', 'R1', '下游0-6km龙潭镇', 'Longtan town, 0–6 km downstream', 12, null),
      zone('5401', 'R3', '坝顶', 'Dam crest', 4, 4),
      zone('5402', 'R3', '泄洪闸下', 'Below the flood gates', 4, 3),
      zone('5403', 'R3', '下游三村', 'Three villages downstream', 9, 9),
      zone('7401', 'R5', '坝区', 'Dam area', 2, null),
      zone('7403', 'R5', '下游云岭沟', 'Yunling valley downstream', 5, null),
    ],
    calls: { live: [], live_more: 0, missed: [], missed_more: 0, ended: [] }, conferences: [],
    people: newPeople(), boards: {}, facts: [], changed: new Set(), intents: new Map(), seq: {}, tick: 0,
  };
  for (const one of world.overview.sites) {
    world.boards[one.id] = { site: one.id, age_ms: 0, activations: [], awaiting: [] };
  }
  cut(world, 'R5', true);
  past(world);
  talk(world);
  callHeads(world);
  startRed(world, 'R3', 'real', [['lin.guodong', '林国栋'], ['zhao.wenhui', '赵文慧']], 18);
  return world;
}

export function cut(world, id, on) {
  const found = world.overview.sites.find((one) => one.id === id);
  if (!found || found.here) return;
  found.health = on ? 'cut' : 'ok';
  found.age_ms = on ? 194_000 : 400;
  for (const node of found.nodes) {
    Object.assign(node, { connected: !on, heard_ms_ago: found.age_ms, rtt_ms: on ? null : found.link?.rtt_ms });
  }
  world.changed.add('overview');
}

export function fact(world, siteId, kind, zh, en, body = {}, atMs = Date.now()) {
  const n = (world.seq[siteId] = (world.seq[siteId] ?? 0) + 1);
  const node = Number(world.overview.sites.find((one) => one.id === siteId)?.prefix ?? 1);
  const line = {
    id: `n${node}.1.${n}`, node, site: siteId, seen: 9 + world.facts.length, depth: n, at_ms: atMs,
    kind, body: { [kind]: body }, line_zh: zh, line_en: en,
  };
  world.facts.push(line);
  world.changed.add('journal');
  return line;
}

export const PLANS = [
  plan('P-38-page', '红色预警(仅广播)', 'Red warning, page only', 'red', ['R1', 'R3', 'R5'], [
    ['s1', 'pa.play', '洪水红色预警，请立即向安置点转移，不要返回。', ['$SITE*'], 5],
    ['s2', 'delay', '20 秒 / 20 s', [], null],
    ['s3', 'confirm', '重复广播? / Repeat the page?', [], null],
    ['s4', 'pa.play', '请立即向高处转移。Move to high ground now.', ['$SITE403'], 3],
  ]),
  plan('P-37-page', '橙色预警(仅广播)', 'Orange warning, page only', 'orange', ['R1', 'R3', 'R5'], [
    ['s1', 'pa.play', '洪水橙色预警，请做好转移准备，听从工作人员指挥。', ['$SITE*'], 2],
  ]),
  plan('P-41-release-notice', '水库泄洪前下游沿线村镇提前三十分钟预先通知（分区逐级广播）',
    'Advance notice of a release to every village along the river, thirty minutes ahead, zone by zone',
    'yellow', ['R1', 'R3'], [
      ['s1', 'pa.play', '各位群众请注意，水库将于30分钟后泄洪，请立即撤离河道。', ['$SITE402', '$SITE403'], 3],
    ], { two_person: true }),
  plan('P-39-clear', '险情解除', 'All clear', 'clear', ['R1', 'R3', 'R5'], [
    ['s1', 'confirm', '现场复核: 险情已解除? / Checked on the spot: is the danger over?', [], null],
    ['s2', 'pa.play', '险情解除，请等待通知有序返回。', ['$SITE*'], 2],
  ]),
];

function plan(id, zh, en, level, sites, steps, extra = {}) {
  return {
    id, name_zh: zh, name_en: en, level, version: 3, steps: steps.length, two_person: false, sites,
    preview: steps.map(([step, kind, text_zh_en, zones, repeat]) => (
      { step, kind, text_zh_en, zones, repeat }
    )),
    ...extra,
  };
}

export const AUDIO = [
  { id: 'aud-red', lang: 'zh-CN', text: '洪水红色预警，请立即向安置点转移，不要返回。', ready: true, ms: 5200 },
  { id: 'aud-orange', lang: 'zh-CN', text: '洪水橙色预警，请做好转移准备，听从工作人员指挥。', ready: true, ms: 5600 },
  { id: 'aud-release-30', lang: 'zh-CN', text: '各位群众请注意，水库将于30分钟后泄洪，请立即撤离河道。', ready: false, ms: null },
  { id: 'aud-clear', lang: 'zh-CN', text: '险情解除，请等待通知有序返回。', ready: true, ms: 3900 },
];

const target = (world, id) => {
  const found = world.zones.find((one) => one.id === id);
  return { zone: id, name_zh: found.name_zh, name_en: found.name_en, state: 'running', attempts: [attempt(found)] };
};
const attempt = (found, n = 1, why = 'plan') => ({
  attempt: n, why, result: null, reason: null, grade: null, reached: 0, of: found.speakers_total,
  siren: false,
});
const step = (one) => ({
  id: one.step, kind: one.kind, state: 'pending', question: null, elsewhere: [], targets: [],
});

function run(world, siteId, of, mode, people, secondsAgo) {
  const activation = {
    id: hex(), plan: of.id, name_zh: of.name_zh, name_en: of.name_en, level: of.level, mode,
    launches: people.map(([who, name]) => ({ intent: hex(), who, name })),
    started_ms: at(secondsAgo), ended: null, steps: of.preview.map(step),
  };
  world.boards[siteId].activations.push(activation);
  world.changed.add(`site:${siteId}`);
  const words = { real: '实战', drill: '演习', test: '测试' }[mode];
  fact(world, siteId, 'ActivationStarted', `${people[0][1]} 启动“${of.name_zh}”（${words}）`,
    `${people[0][0]} started “${of.name_en}” (${mode})`,
    { activation: activation.id, plan: of.id, level: of.level, mode }, activation.started_ms);
  return activation;
}

function startRed(world, siteId, mode, people, secondsAgo) {
  const one = run(world, siteId, PLANS[0], mode, people, secondsAgo);
  openPage(world, siteId, one, 0, secondsAgo);
  return one;
}

export function launch(world, siteId, of, mode, who) {
  const found = world.boards[siteId].activations.find((one) => (
    one.plan === of.id && one.mode === mode && one.ended === null));
  if (found) {
    found.launches.push({ intent: hex(), who: who[0], name: who[1] });
    world.changed.add(`site:${siteId}`);
    return { status: 'joined', activation: found.id };
  }
  const board = world.boards[siteId];
  board.awaiting = board.awaiting.filter((half) => half.plan !== of.id);
  const one = run(world, siteId, of, mode, [who], 0);
  enter(world, siteId, one, 0);
  return { status: 'started', activation: one.id };
}

function enter(world, siteId, one, n) {
  const now = one.steps[n];
  if (!now) return end(world, siteId, one, 'completed');
  if (now.kind === 'pa.play') openPage(world, siteId, one, n, 0);
  else if (now.kind === 'delay') Object.assign(now, { state: 'waiting', until: Date.now() + 8_000 });
  else {
    const text = PLANS.find((p) => p.id === one.plan).preview[n].text_zh_en.split(' / ');
    now.state = 'waiting';
    now.question = { zh: text[0], en: text[1], by: 'site_duty', until_ms: Date.now() + 60_000 };
  }
  world.changed.add(`site:${siteId}`);
}

function openPage(world, siteId, one, n, secondsAgo) {
  const now = one.steps[n];
  const shown = PLANS.find((p) => p.id === one.plan).preview[n];
  const prefix = world.overview.sites.find((s) => s.id === siteId).prefix;
  const names = shown.zones.map((name) => name.replace('$SITE', prefix));
  const hit = world.zones.filter((z) => names.some((name) => (
    name.endsWith('*') ? z.id.startsWith(name.slice(0, -1)) : z.id === name)));
  now.state = 'running';
  now.targets = hit.map((z) => target(world, z.id));
  if (n === 0 && siteId === 'R3') now.elsewhere = ['7403'];
  for (const z of hit) {
    z.page = {
      activation: one.id, plan: one.plan, level: one.level, mode: one.mode,
      since_ms: at(secondsAgo), state: 'running',
    };
  }
  world.changed.add('zones');
}

export function end(world, siteId, one, how) {
  one.ended = { how, at_ms: Date.now() };
  for (const s of one.steps) {
    if (['pending', 'waiting', 'running'].includes(s.state)) s.state = how === 'declined' ? 'vetoed' : 'skipped';
    for (const t of s.targets) if (t.state === 'running') Object.assign(t, { state: 'done' });
  }
  for (const z of world.zones) if (z.page?.activation === one.id) z.page = null;
  fact(world, siteId, 'ActivationEnded', `“${one.name_zh}”结束：${how}`, `“${one.name_en}” ended: ${how}`,
    { activation: one.id, how });
  world.changed.add('zones').add(`site:${siteId}`);
}

export function answer(world, siteId, one, stepId, yes) {
  const n = one.steps.findIndex((s) => s.id === stepId);
  const now = one.steps[n];
  if (!now || now.state !== 'waiting') return false;
  now.state = yes ? 'done' : 'vetoed';
  fact(world, siteId, 'Confirmed', `“${now.question.zh}”已答：${yes ? '是' : '否'}`,
    `“${now.question.en}” was answered: ${yes ? 'yes' : 'no'}`, { activation: one.id, step: stepId });
  if (yes) enter(world, siteId, one, n + 1);
  else end(world, siteId, one, 'declined');
  world.changed.add(`site:${siteId}`);
  return true;
}

export function again(world, siteId, one, stepId, zoneId) {
  const now = one.steps.find((s) => s.id === stepId)?.targets.find((t) => t.zone === zoneId);
  if (!now) return false;
  const found = world.zones.find((z) => z.id === zoneId);
  now.attempts.push(attempt(found, now.attempts.length + 1, 'person'));
  now.state = 'running';
  one.steps.find((s) => s.id === stepId).state = 'running';
  world.changed.add(`site:${siteId}`);
  return true;
}

export function pageZone(world, found, audio, mode, who) {
  found.page = { activation: hex(), plan: null, level: null, mode, since_ms: Date.now(), state: 'running', left: 12 };
  fact(world, found.site, 'EffectBegun', `${who[1]} 在“${found.name_zh}”广播 ${audio}`,
    `${who[0]} pages “${found.name_en}” with ${audio}`, { zone: found.id, audio, mode });
  world.changed.add('zones');
}

/** One second passes. */
export function pass(world) {
  world.tick += 1;
  for (const board of Object.values(world.boards)) {
    const seen = world.overview.sites.find((s) => s.id === board.site);
    if (seen.health === 'cut') continue;
    board.awaiting = board.awaiting.filter((one) => one.until_ms > Date.now() - 60_000);
    for (const one of board.activations) if (one.ended === null) advance(world, board.site, one);
  }
  for (const z of world.zones) {
    if (z.page?.left !== undefined && (z.page.left -= 1) <= 0) {
      z.page = null;
      world.changed.add('zones');
    }
  }
  for (const s of world.overview.sites) {
    if (s.health === 'cut') s.age_ms += 1000;
    else if (!s.here) s.age_ms = 300 + ((world.tick * 137) % 900);
  }
  if (world.tick % 5 === 0) world.changed.add('overview');
  if (world.tick % 9 === 0) {
    fact(world, 'R1', 'StepChanged', '龙潭水库：例行巡检，水位 152.31 m', 'Longtan: routine check, level 152.31 m', { tick: world.tick });
  }
}

function advance(world, siteId, one) {
  const n = one.steps.findIndex((s) => s.state === 'running' || s.state === 'waiting');
  const now = one.steps[n];
  if (!now || now.roster) return;
  if (now.kind === 'delay' && Date.now() > now.until) {
    now.state = 'done';
    enter(world, siteId, one, n + 1);
  } else if (now.kind === 'confirm' && Date.now() > now.question.until_ms) {
    now.state = 'expired';
    enter(world, siteId, one, n + 1);
  } else if (now.kind === 'pa.play') {
    for (const t of now.targets) if (t.state === 'running') ring(world, siteId, one, now, t);
    if (now.targets.every((t) => t.state !== 'running')) {
      now.state = now.targets.some((t) => t.state !== 'done') ? 'failed' : 'done';
      for (const z of world.zones) if (z.page?.activation === one.id) z.page = null;
      world.changed.add('zones');
      enter(world, siteId, one, n + 1);
    }
  }
  world.changed.add(`site:${siteId}`);
}

function ring(world, siteId, one, now, t) {
  const last = t.attempts.at(-1);
  const found = world.zones.find((z) => z.id === t.zone);
  last.reached = Math.min(last.of, last.reached + 1);
  last.grade = last.reached < 2 ? 'answered' : 'receiving';
  if (t.zone === '5402' && last.attempt === 1 && last.reached >= 3) {
    Object.assign(last, { result: 'unknown', reason: '节点重启，是否播出不明 / the node restarted while it played' });
    t.attempts.push(attempt(found, 2, 'after-unknown'));
  } else if (t.zone === '5402' && last.reached >= 3) {
    Object.assign(last, { result: 'failed', reason: '5402-04 无应答 / 5402-04 did not answer' });
    t.state = 'failed';
  } else if (last.reached >= last.of) {
    last.result = 'done';
    t.state = 'done';
  }
  if (t.zone === '5401') last.siren = true;
  for (const [i, s] of found.speakers.entries()) {
    if (s.registered !== null) s.state = i < last.reached ? 'receiving' : s.registered ? 'calling' : 'failed';
  }
  if (last.result !== null) {
    const done = last.result === 'done';
    fact(world, siteId, 'EffectOutcome',
      `“${found.name_zh}”第 ${last.attempt} 次：${last.reached}/${last.of} ${done ? '正在接收' : last.result}`,
      `“${found.name_en}” attempt ${last.attempt}: ${last.reached}/${last.of} ${done ? 'receiving' : last.result}`,
      { activation: one.id, key: { step: now.id, target: t.zone, attempt: last.attempt }, result: last.result });
  }
  world.changed.add('zones');
}

function past(world) {
  fact(world, 'HQ', 'Began', 'hq1 的日志开始', "hq1's journal begins", {}, at(7_300));
  for (let i = 0; i < 60; i += 1) {
    fact(world, ['RC', 'R1', 'R3'][i % 3], i % 4 ? 'StepChanged' : 'DutyNote',
      i % 4 ? `例行巡检第 ${i} 次，正常` : `值班记录：雨势加大，已通知各村（${i}）`,
      i % 4 ? `Routine check ${i}, all well` : `Duty note: heavier rain, villages told (${i})`, { i }, at(7_000 - i * 100));
  }
  const drill = run(world, 'R1', PLANS[1], 'drill', [['ma.xiaolan', '马晓岚']], 3_600);
  openPage(world, 'R1', drill, 0, 0);
  for (const t of drill.steps[0].targets) {
    Object.assign(t.attempts[0], { result: 'done', grade: 'receiving', reached: t.attempts[0].of });
    t.state = 'done';
  }
  drill.steps[0].state = 'done';
  end(world, 'R1', drill, 'completed');
  drill.ended.at_ms = at(3_420);
  const stopped = run(world, 'R5', PLANS[0], 'real', [['yang.yunfeng', '杨云峰']], 1_500);
  openPage(world, 'R5', stopped, 0, 0);
  const states = ['expired', 'unreachable'];
  for (const [i, t] of stopped.steps[0].targets.entries()) {
    Object.assign(t.attempts[0], { result: 'unreachable', reason: '超过 120 秒未送达 / not delivered within 120 s' });
    t.state = states[i] ?? 'expired';
  }
  stopped.steps[0].state = 'expired';
  end(world, 'R5', stopped, 'aborted');
  stopped.ended.at_ms = at(1_380);
}

// ── People, calls, conferences ───────────────────────────────────────────

const someone = (id, name, extension, mobile, registered, roles = [], rank = 9) => ({
  id, name, rank, roles, extension, mobile, registered, acknowledged: null,
});
const HEADS = [
  ['longtan.head', '龙德生'], ['baishi.head', '白玉成'], ['shangwan.head', '江满仓'],
  ['zhongwan.head', '江春生'], ['xiawan.head', '胡秀英'],
];

function newPeople() {
  const duty = (id) => [{ role: 'site_duty', sites: [id] }];
  return [
    { site: 'HQ', people: [
      someone('lin.guodong', '林国栋', '1010', '+8619900000101', true, [{ role: 'commander', sites: null }], 1),
      someone('liang.kun', '梁坤', '1001', '+8619900000109', false, duty('HQ'), 4),
    ] },
    { site: 'R3', people: [
      someone('li.qingsong', '李青松', '5001', '+8619900000115', null, duty('R3'), 4),
      someone('gao.yanfei', '高燕飞', '5101', '+8619900000116', null, duty('R3'), 5),
    ] },
    { site: '', people: HEADS.map(([id, name], n) => someone(id, name, null, `+861990000012${3 + n}`, null)) },
  ];
}

const callLine = (id, siteId, from, dialled, extra) => ({
  id, site: siteId, node: 1, here: siteId === 'HQ', from, from_name: null, dialled,
  dialled_name: null, by: null, by_name: null, rings: [], state: 'talked', at_ms: at(75),
  emergency: false, missed: false, why: null, talked_ms: null, seen: null, ...extra,
});

function talk(world) {
  const over = { state: 'ended', emergency: true, missed: true };
  Object.assign(world.calls, {
    live: [
      callLine(hex(), 'R3', '5102', '112', { emergency: true, by: '5001', by_name: '李青松' }),
      callLine(hex(), 'HQ', '1010', '2011', { from_name: '林国栋', dialled_name: '赵文慧', by: '2011' }),
      callLine(hex(), 'HQ', '1102', '1001', { state: 'ringing', rings: ['1001'], dialled_name: '梁坤' }),
    ],
    missed: [
      callLine(hex(), 'R1', '3105', '112', { ...over, why: 'no_answer', at_ms: at(190) }),
      callLine(hex(), 'R5', '7102', '119', { ...over, why: 'not_registered', at_ms: at(1_300) }),
    ],
    ended: [
      callLine(hex(), 'RC', '2012', '91234567', { state: 'ended', why: 'caller_hung_up', talked_ms: 93_000, by: '2290' }),
    ],
  });
  const member = (who, name, siteId, state, extra = {}) => (
    { who, name, site: siteId, state, mute: false, speaks: false, ...extra });
  world.conferences = [
    {
      id: '00c0ffee00000500', number: '1500', title: '橙色预警响应(核心)', root: 'HQ', here: true,
      since_ms: at(240), joined: 3, locked: false, lecture: false, missing: ['R5'], members_more: 0,
      members: [
        member('lin.guodong', '林国栋', 'HQ', 'joined', { speaks: true }),
        member('zhao.wenhui', '赵文慧', 'RC', 'joined'),
        member('li.qingsong', '李青松', 'R3', 'joined', { mute: true }),
        member('gao.yanfei', '高燕飞', 'R3', 'no-answer'),
        member('yang.yunfeng', '杨云峰', 'R5', 'unreachable'),
        member('liang.kun', '梁坤', 'HQ', 'ringing'),
      ],
    },
    {
      id: '00c0ffee00003501', number: '3501', title: '', root: 'R1', here: false, since_ms: at(900),
      joined: 2, locked: false, lecture: false, missing: [], members_more: 0,
      members: [member('3001', '陈大山', 'R1', 'joined'), member('3105', '3105', 'R1', 'joined')],
    },
  ];
  world.boards.R1.awaiting = [{
    intent: hex(), plan: PLANS[2].id, name_zh: PLANS[2].name_zh, name_en: PLANS[2].name_en,
    level: 'yellow', mode: 'real', who: 'zhao.wenhui', name: '赵文慧', until_ms: Date.now() + 110_000,
  }];
}

/** An orange run whose village heads are being called, and written to. */
function callHeads(world) {
  const one = run(world, 'R1', {
    id: 'P-38-core', name_zh: '红色预警/转移(核心)', name_en: 'Red warning, evacuation (core)', level: 'red',
    preview: [{ step: 's2', kind: 'call.roster' }, { step: 's3', kind: 'message' }],
  }, 'real', [['lin.guodong', '林国栋']], 95);
  const tried = (n, result, reason, extra = {}) => ({
    attempt: n, why: 'plan', result, reason, grade: result === 'done' ? 'heard' : null,
    reached: result === 'done' ? 1 : 0, of: 1, siren: false, began_ms: at(90 - n * 20),
    ...(result === null ? {} : { ended_ms: at(80 - n * 20) }), ...extra,
  });
  const person = (who, state, attempts, extra = {}) => ({
    zone: HEADS[who][0], person: HEADS[who][0], name_zh: HEADS[who][1], name_en: HEADS[who][1], state,
    attempts: attempts.map((a) => ({ callee: HEADS[who][0], callee_name: HEADS[who][1], ...a })), ...extra,
  });
  Object.assign(one.steps[0], {
    state: 'running', roster: { reached: 2, of: 5, people: 2, need: null, under_way: 1, unknown: 1 },
    targets: [
      person(0, 'done', [tried(1, 'failed', 'no_answer'), tried(2, 'done', null)], { by: HEADS[0][0], by_name: HEADS[0][1] }),
      person(1, 'done', [tried(1, 'failed', 'not_acknowledged'), tried(2, 'done', null, { callee: 'li.qingsong', callee_name: '李青松' })],
        { by: 'li.qingsong', by_name: '李青松' }),
      person(2, 'running', [tried(1, 'failed', 'busy'), tried(2, null, null)]),
      person(3, 'failed', [tried(1, 'failed', 'wrong_key')]),
      person(4, 'unknown', [tried(1, 'unknown', 'the node stopped')]),
    ],
  });
  Object.assign(one.steps[1], {
    state: 'running', roster: { reached: 1, of: 3, people: 1, need: null, under_way: 1, unknown: 0 },
    targets: [
      person(0, 'done', [tried(1, 'done', null, { grade: 'sent' })], { by: HEADS[0][0], by_name: HEADS[0][1] }),
      person(1, 'failed', [tried(1, 'failed', '空号')]),
      person(2, 'running', [tried(1, null, null)]),
    ],
  });
}

export function seen(world, id, who) {
  const call = world.calls.missed.find((one) => one.id === id);
  if (!call) return false;
  world.calls.missed = world.calls.missed.filter((one) => one !== call);
  world.calls.ended.unshift({ ...call, seen: { who: who[0], name: who[1], at_ms: Date.now() } });
  fact(world, 'HQ', 'CallSeen', `${who[1]} 已知悉未接紧急来电`, `${who[1]} saw the missed emergency`, { call: id });
  world.changed.add('calls');
  return true;
}

export function hangUp(world, id) {
  const call = world.calls.live.find((one) => one.id === id && one.here);
  if (!call) return false;
  world.calls.live = world.calls.live.filter((one) => one !== call);
  world.calls.ended.unshift({ ...call, state: 'ended', at_ms: Date.now(), why: 'operator', talked_ms: 80_000 });
  world.changed.add('calls');
  return true;
}

export function order(world, number, { order: what, who, on }) {
  const conference = world.conferences.find((one) => one.number === number && one.here);
  if (!conference) return false;
  const about = conference.members.filter((one) => what === 'mute-all' || one.who === who);
  if (what === 'lock') conference.locked = on;
  if (what === 'lecture') conference.lecture = on;
  if (what === 'mute' || what === 'mute-all') for (const one of about) one.mute = on;
  if (what === 'remove') for (const one of about) one.state = 'removed';
  if (what === 'redial') for (const one of about) one.state = 'ringing';
  if (what === 'end') world.conferences = world.conferences.filter((one) => one !== conference);
  world.changed.add('conferences');
  return true;
}
