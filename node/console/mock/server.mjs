// The browser API for development: the contract over plain HTTP, in memory, with a
// moving scenario and switches under /mock/. It is no node: it checks no rights, keeps
// nothing, and never ships.
//
//   node mock/server.mjs [PORT]        then http://127.0.0.1:7480/  (weir-mock)
//   /mock/set?local=on&suspect=on&quorum=off&unrecorded=on&storage=on&cut=R3&heal=R5
//   /mock/set?stream=off               the event stream and the API go silent
//   /mock/set?deny=on                  nobody may start anything
//   /mock/reset[?empty=on]             a new world, or one with nothing in it

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  again, answer, AUDIO, cut, end, fact, hangUp, launch, newWorld, order, pageZone, pass, PLANS, seen,
} from './world.mjs';

const PORT = Number(process.argv[2] ?? 7480);
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const PASSWORD = 'weir-mock';
const PEOPLE = {
  'lin.guodong': ['林国栋', 'commander'], 'zhao.wenhui': ['赵文慧', 'chief_dispatcher'],
  'ma.xiaolan': ['马晓岚', 'dispatcher'],
};
const HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; "
    + "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    + "form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

let world = newWorld();
let [rev, wrong, silent, deny] = [0, 0, false, false];
const sessions = new Map();
const ring = [];
const streams = new Set();
const BOOT = Date.now().toString(36);

setInterval(() => {
  pass(world);
  publish();
}, 1000);
setInterval(() => {
  if (!silent) for (const stream of streams) stream.write(': still here\n\n');
}, 10_000);

let published = world.facts.length;
function publish() {
  for (const what of world.changed) {
    if (what === 'overview') emit('overview', overview());
    else if (what === 'zones' || what === 'calls' || what === 'conferences') emit(what, world[what]);
    else if (what === 'journal') emit('journal', { facts: world.facts.slice(published), more: false });
    else emit('site', world.boards[what.slice(5)]);
    if (what === 'journal') published = world.facts.length;
  }
  world.changed.clear();
}

function overview() {
  return { ...world.overview, now_ms: Date.now() };
}

function emit(event, data) {
  const text = `id: ${BOOT}-${++rev}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  ring.push([rev, text]);
  if (ring.length > 500) ring.shift();
  if (!silent) for (const stream of streams) stream.write(text);
}

function events(request, response) {
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const [boot, last] = String(request.headers['last-event-id'] ?? '').split('-');
  const known = boot === BOOT && ring.length > 0 && Number(last) >= ring[0][0] - 1;
  if (known) for (const [n, text] of ring) if (n > Number(last)) response.write(text);
  if (!known) {
    const say = (event, data) => response.write(`id: ${BOOT}-${rev}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (boot) say('reset', {});
    say('overview', overview());
    for (const board of Object.values(world.boards)) say('site', board);
    for (const what of ['zones', 'calls', 'conferences']) say(what, world[what]);
    for (const people of world.people) say('people', people);
    say('journal', { facts: world.facts.slice(-200), more: world.facts.length > 200 });
  }
  streams.add(response);
  response.on('close', () => streams.delete(response));
}

const json = (response, status, value, extra = {}) => {
  response.writeHead(status, {
    ...HEADERS, ...extra,
    'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
  });
  response.end(value === null ? '' : JSON.stringify(value));
};
const problem = (response, status, name, detail, extra) => json(response, status, {
  type: `urn:weir:problem:${name}`, status, title: name, detail,
}, extra);

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? {} : JSON.parse(text);
}

function who(request) {
  const cookie = /weir-session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
  return sessions.get(cookie);
}

const sessionOf = (person) => ({
  person, name: PEOPLE[person][0], roles: [{ role: PEOPLE[person][1], sites: 'all' }], node: 'hq1',
  site: 'HQ', expires_ms: Date.now() + 12 * 3_600_000,
});

async function session(request, response) {
  if (request.method === 'POST') {
    const { person, password } = await body(request);
    if (wrong >= 5) {
      setTimeout(() => (wrong = 0), 20_000);
      return problem(response, 429, 'too-many-tries', '尝试过多 / too many tries', { 'retry-after': '20' });
    }
    if (password !== PASSWORD || !PEOPLE[person]) {
      wrong += 1;
      return problem(response, 401, 'sign-in-refused', '登录被拒 / sign-in refused');
    }
    const token = `mock-${person.replace('.', '-')}-${Date.now()}`;
    sessions.set(token, person);
    const set = `weir-session=${token}; HttpOnly; SameSite=Strict; Path=/`;
    return json(response, 200, sessionOf(person), { 'set-cookie': set });
  }
  const person = who(request);
  if (!person) return problem(response, 401, 'not-signed-in', '未登录 / not signed in');
  if (request.method !== 'DELETE') return json(response, 200, sessionOf(person));
  for (const [token, of] of sessions) if (of === person) sessions.delete(token);
  return json(response, 204, null);
}

function plans(person) {
  const role = PEOPLE[person][1];
  return PLANS.map((plan) => {
    const no = deny || (plan.level === 'clear' && role !== 'commander') || (plan.level === 'red' && role === 'dispatcher');
    const why = `${person} 没有可执行此操作的角色（${role}）；请由有权限的人执行 / ${person} has no role for this (${role}); ask someone who has`;
    return {
      ...plan,
      may: Object.fromEntries(plan.sites.map((id) => [id, no ? { ok: false, why } : { ok: true }])),
      audio_ready: Object.fromEntries(plan.sites.map((id) => [id, id !== 'R5'])),
    };
  });
}

/** Judges at once, unless the site is cut off: then it tries, and gives up after 12 s. */
function judge(response, key, siteId, decide) {
  const seen = world.overview.sites.find((one) => one.id === siteId);
  const known = world.intents.get(key);
  if (!known) {
    const trying = { delivery: 'trying', status: null, activation: null, said: '尚未送达，继续尝试 / not there yet, still trying: no path to R5' };
    world.intents.set(key, trying);
    if (seen?.health === 'cut') {
      setTimeout(() => Object.assign(trying, { delivery: 'not-delivered', said: '已过时限，未送达，未执行 / its window passed undelivered: no path' }), 12_000);
    } else {
      setTimeout(() => Object.assign(trying, { delivery: 'judged', activation: null, ...decide() }), 900);
    }
  }
  return json(response, 200, { intent: key, ...world.intents.get(key) });
}

const SAID = {
  started: '已启动；请在执行面板查看各步骤 / started; follow its steps on the activation board',
  joined: '该预案正在执行，已并入，不会重复广播 / the plan is running; joined, nothing is played twice',
};

/** What the node does by itself. */
async function here(request, response, [about, id, deed], person) {
  const asked = await body(request);
  const done = about === 'conferences' ? order(world, id, asked)
    : deed === 'seen' ? seen(world, id, [person, PEOPLE[person][0]]) : hangUp(world, id);
  if (done) return json(response, 200, { id });
  return problem(response, 404, 'call-unknown', `本站没有 ${id}；请刷新 / no ${id} at this site; list them again`);
}

async function act(request, response, parts, person) {
  const [, , about, at, deed] = parts;
  if (about === 'calls' || about === 'conferences') return here(request, response, [about, at, deed], person);
  const key = String(request.headers['idempotency-key'] ?? '');
  if (!/^[0-9a-f]{32}$/.test(key)) return problem(response, 400, 'bad-request', '缺少编号 / no Idempotency-Key');
  const asked = await body(request);
  const me = [person, PEOPLE[person][0]];
  const [, , kind, id, what] = parts;
  if (kind === 'plans' && what === 'launch') {
    const plan = PLANS.find((one) => one.id === id);
    if (!plan || !asked.mode) return problem(response, 400, 'bad-request', '缺少模式 / no mode');
    return judge(response, key, asked.site, () => {
      const real = world.boards[asked.site].activations.find((one) => one.mode === 'real' && one.ended === null);
      if (asked.mode !== 'real' && real) return { status: 'real-alarm', activation: real.id, said: `真实警报 ${real.id.slice(0, 8)} 正在执行；请待其结束后再演练 / the real alarm ${real.id.slice(0, 8)} is running; drill once it is over` };
      const done = launch(world, asked.site, plan, asked.mode, me);
      return { ...done, said: SAID[done.status] };
    });
  }
  if (kind === 'activations') {
    const one = world.boards[asked.site]?.activations.find((run) => run.id === id);
    if (!one) return problem(response, 404, 'activation-unknown', '本站没有这次执行 / there is no such run');
    return judge(response, key, asked.site, () => {
      if (what === 'abort') {
        end(world, asked.site, one, 'aborted');
        return { status: 'aborted', activation: id, said: '已中止 / it was aborted' };
      }
      if (what === 'confirm') {
        const ok = answer(world, asked.site, one, asked.step, asked.yes);
        return ok ? { status: 'confirmed', activation: id, said: '已确认 / answered' }
          : { status: 'not-asking', said: '没有待确认的问题；请刷新执行面板 / no question waits there' };
      }
      again(world, asked.site, one, asked.step, asked.zone);
      return { status: 'repeats', activation: id, said: `将再播一次（第 ${asked.attempt} 次） / played once more (attempt ${asked.attempt})` };
    });
  }
  if (kind === 'zones') {
    const zone = world.zones.find((one) => one.id === id);
    if (!zone) return problem(response, 404, 'zone-unknown', '没有这个广播区 / no such zone');
    return judge(response, key, zone.site, () => {
      if (what === 'stop') {
        zone.page = null;
        world.changed.add('zones');
        return { status: 'stopped', said: '已停播 / stopped' };
      }
      pageZone(world, zone, asked.audio, asked.mode, me);
      return { status: 'started', said: '已开始广播 / the page began' };
    });
  }
  if (kind === 'journal' && id === 'notes') {
    const line = fact(world, 'HQ', 'DutyNote', `${me[1]}：${asked.text}`, `${me[0]}: ${asked.text}`, asked);
    return json(response, 200, { id: line.id });
  }
  return problem(response, 404, 'not-found', '没有这个地址 / there is nothing here');
}

function mock(url, response) {
  const on = (name) => (url.searchParams.has(name) ? url.searchParams.get(name) === 'on' : null);
  let o = world.overview;
  if (url.pathname === '/mock/reset') {
    world = newWorld();
    o = world.overview;
    published = world.facts.length;
    if (on('empty')) {
      Object.assign(world, { zones: [], facts: [] });
      for (const board of Object.values(world.boards)) Object.assign(board, { activations: [], awaiting: [] });
      Object.assign(world, { conferences: [], calls: { live: [], live_more: 0, missed: [], missed_more: 0, ended: [] } });
      published = 0;
    }
    if (on('quiet')) for (const board of Object.values(world.boards)) board.activations = [];
    if (on('many')) {
      for (const [id, zh] of [['R2', '白石水库'], ['R4', '石门水库'], ['R6', '杉溪水库（太阳能供电，卫星链路）']]) {
        o.sites.push({ ...o.sites[2], id, name_zh: zh, name_en: `${id} reservoir with a long name`, nodes: [], link: { kind: 'geo', rtt_ms: 660 }, health: id === 'R4' ? 'suspect' : id === 'R6' ? 'no-node' : 'ok', age_ms: id === 'R6' ? null : 5_000 });
        world.boards[id] = { site: id, age_ms: 0, activations: [], awaiting: [] };
      }
    }
    ring.length = 0;
    emit('reset', {});
    world.changed.add('overview').add('zones').add('journal').add('calls').add('conferences');
    published = 0;
    for (const id of Object.keys(world.boards)) world.changed.add(`site:${id}`);
  }
  if (on('local') !== null) {
    o.local_mode = { on: on('local'), since_ms: on('local') ? Date.now() - 754_000 : null, suspect: false };
    for (const one of o.sites) cut(world, one.id, on('local') || one.id === 'R5');
  }
  if (on('suspect') !== null) o.local_mode.suspect = on('suspect');
  if (on('quorum') !== null) Object.assign(o, { quorum: on('quorum'), leader: on('quorum') ? 'hq1' : null });
  if (on('unrecorded') !== null) o.unrecorded = on('unrecorded');
  if (on('storage') !== null) o.storage_stopped = on('storage') ? '磁盘已满 / the disk is full' : null;
  if (url.searchParams.has('cut')) cut(world, url.searchParams.get('cut'), true);
  if (url.searchParams.has('heal')) cut(world, url.searchParams.get('heal'), false);
  if (on('deny') !== null) deny = on('deny');
  if (url.searchParams.has('stream')) {
    silent = url.searchParams.get('stream') === 'off';
    if (silent) for (const stream of streams) stream.destroy();
  }
  world.changed.add('overview');
  publish();
  return json(response, 200, { ok: true });
}

async function file(url, response) {
  const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname);
  try {
    const bytes = await readFile(join(DIST, path));
    const kept = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(200, { ...HEADERS, 'content-type': type, 'cache-control': kept });
    response.end(bytes);
  } catch {
    problem(response, 404, 'not-found', '没有这个地址 / there is nothing here');
  }
}

async function answerTo(request, response) {
  const url = new URL(request.url, 'http://mock');
  if (url.pathname.startsWith('/mock/')) return mock(url, response);
  if (!url.pathname.startsWith('/api/')) return file(url, response);
  if (silent) return request.socket.destroy();
  const parts = url.pathname.slice(1).split('/').map(decodeURIComponent);
  if (parts[2] === 'session') return session(request, response);
  const person = who(request);
  if (!person) return problem(response, 401, 'not-signed-in', '未登录 / not signed in');
  if (request.method === 'POST' || request.method === 'DELETE') return act(request, response, parts, person);
  switch (parts[2]) {
    case 'events': return events(request, response);
    case 'overview': return json(response, 200, overview());
    case 'boards': return json(response, 200, Object.values(world.boards));
    case 'zones': return json(response, 200, world.zones);
    case 'plans': return json(response, 200, world.zones.length === 0 ? [] : plans(person));
    case 'audio': return json(response, 200, AUDIO);
    case 'journal': return json(response, 200, world.facts.slice(-200));
    case 'intents': {
      const how = world.intents.get(parts[3]);
      return how ? json(response, 200, how) : problem(response, 404, 'intent-unknown', '本节点没有发出过此请求 / this node did not send such an intent');
    }
    default: return problem(response, 404, 'not-found', '没有这个地址 / there is nothing here');
  }
}

createServer((request, response) => {
  answerTo(request, response).catch((error) => problem(response, 400, 'bad-request', String(error)));
}).listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/  password ${PASSWORD}`));
