// Clicks through the console in a real browser, as a dispatcher would on the night, for
// the story `face`. It prints one JSON line a step and ends with 1 at the first thing that
// is not as it should be. It asks the node nothing behind the page's back and starts no
// node: what is to happen outside the browser it says, and waits for a line in answer.
//
// From the environment: FACE_NODE and FACE_HOME, URLs of the console at RC and at R3;
// FACE_PERSON, FACE_PASSWORD, and FACE_SECOND with the same password; FACE_CALLER, who
// dialled 112 in vain; FACE_OUT, where the pictures go; FACE_CHROMIUM.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; this is run by the story face`);
  return value;
};

const NODE = env('FACE_NODE');
const HOME = env('FACE_HOME');
const PERSON = env('FACE_PERSON');
const PASSWORD = env('FACE_PASSWORD');
const SECOND = env('FACE_SECOND');
const CALLER = env('FACE_CALLER');
const OUT = env('FACE_OUT');

const PLAN = 'P-38-page';
/** Zones of R3 and how many loudspeakers each has: 17. */
const ZONES = { 5401: 4, 5402: 4, 5403: 9 };
const PATIENCE_MS = 30_000;
const DUTY = 'P-40-duty';
/** R3's people on duty. */
const ON_DUTY = ['li.qingsong', 'gao.yanfei'];
const ALL_MS = 200_000;
const LOOK_MS = 50;
/** More than there are places for the focus on the desk. */
const TABS_MAX = 200;
const VIEW = { width: 1366, height: 768 };
const LANGS = { zh: 'zh-CN', en: 'en' };
const CHINESE = /[\u4e00-\u9fff]/;
const WRONG = { zh: '人员编号或密码不对', en: 'do not go together' };

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** What the pages did that nobody may see: errors, and requests to elsewhere. */
const faults = [];
const answers = createInterface({ input: process.stdin });
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** Looks until `seen` gives something true; what was seen last is part of the failure. */
async function until(what, seen, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const { ok, saw } = await seen();
    if (ok) return saw;
    if (Date.now() > deadline) {
      throw new Error(`not within ${patience} ms: ${what}; the page shows ${JSON.stringify(saw)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function must(so, what) {
  if (!so) throw new Error(what);
}

/** Waits for the story to do something outside the browser. */
async function outside(wish) {
  const answer = once(answers, 'line');
  tell({ waits: wish });
  await answer;
}

async function open(browser, url) {
  const context = await browser.newContext({
    viewport: VIEW, ignoreHTTPSErrors: true, locale: LANGS.zh, colorScheme: 'light',
    // Nothing half faded when a colour is measured or a picture taken.
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const { origin } = new URL(url);
  page.on('pageerror', (error) => faults.push(`error on the page: ${error.message}`));
  page.on('console', (line) => {
    // A refusal is one of these too, and is looked at where it is shown.
    const refusal = line.text().startsWith('Failed to load resource');
    if (line.type() === 'error' && !refusal) faults.push(`the page complained: ${line.text()}`);
  });
  page.on('request', (request) => {
    const at = new URL(request.url());
    if (at.origin !== origin && at.protocol !== 'data:') faults.push(`asked elsewhere: ${at}`);
  });
  await page.goto(url);
  return page;
}

/** What `axe` holds against the page as it is. */
async function violations(page) {
  await page.evaluate(`${axe.source};0`);
  const found = await page.evaluate(async () => {
    const said = await window.axe.run(document, { resultTypes: ['violations'] });
    return said.violations.map(({ id, impact, help, nodes }) => (
      { id, impact, help, nodes: nodes.slice(0, 3).map((node) => node.html.slice(0, 200)) }
    ));
  });
  const grave = found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return { grave, lesser: found.filter((one) => !grave.includes(one)).map(({ id }) => id) };
}

async function examine(page, where) {
  const { grave, lesser } = await violations(page);
  tell({ examined: where, grave: grave.length, lesser });
  must(grave.length === 0, `axe, ${where}: ${JSON.stringify(grave, null, 1)}`);
}

/** Only a judge that sees faults may say that there are none. */
async function seesFaults(page) {
  await page.evaluate(() => {
    const planted = '<div id="planted"><button></button><p>grey on white</p></div>';
    document.body.insertAdjacentHTML('beforeend', planted);
    // Not in the text: the page lets nobody write styles there.
    const { style } = document.querySelector('#planted p');
    [style.color, style.background] = ['#bbb', '#fff'];
  });
  const seen = (await violations(page)).grave.map(({ id }) => id);
  await page.evaluate(() => document.getElementById('planted').remove());
  for (const fault of ['button-name', 'color-contrast']) {
    must(seen.includes(fault), `axe does not see ${fault} where it was planted`);
  }
}

async function speak(page, lang) {
  const now = () => page.evaluate(() => document.documentElement.lang);
  if (await now() !== LANGS[lang]) await page.getByTestId('lang').click();
  await until(`the page speaks ${lang}`, async () => {
    const saw = await now();
    return { ok: saw === LANGS[lang], saw };
  });
}

/** Does something in each language, Chinese last. */
async function inBoth(page, act) {
  for (const lang of ['en', 'zh']) {
    await speak(page, lang);
    await act(lang);
  }
}

async function byDayAndNight(page, act) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await until(`the page is ${colorScheme}`, async () => {
      const saw = await page.evaluate(() => document.documentElement.dataset.theme);
      return { ok: saw === colorScheme, saw };
    });
    await act(colorScheme);
  }
}

const health = (page, site) => page.getByTestId(`site-${site}`).getAttribute('data-health');

async function becomes(page, testid, attribute, allowed) {
  return until(`${testid} is ${allowed.join(' or ')}`, async () => {
    const one = page.getByTestId(testid);
    const saw = await one.count() === 0 ? null : await one.getAttribute(attribute);
    return { ok: allowed.includes(saw), saw };
  });
}

// ── The steps ────────────────────────────────────────────────────────────

async function wrongPassword(page) {
  await inBoth(page, async (lang) => {
    await page.getByTestId('person').fill(PERSON);
    await page.getByTestId('password').fill('not the password');
    await page.getByTestId('sign-in-go').click();
    const said = page.getByTestId('sign-in-wrong');
    await until(`the refusal says “${WRONG[lang]}”`, async () => {
      const saw = await said.count() === 0 ? null : await said.innerText();
      return { ok: saw?.includes(WRONG[lang]) ?? false, saw };
    });
    must(await page.getByTestId('password').inputValue() === '', 'the password stays on the page');
    await byDayAndNight(page, (when) => examine(page, `sign-in, ${lang}, ${when}`));
  });
}

async function signIn(page) {
  await page.getByTestId('person').fill(PERSON);
  await page.getByTestId('password').fill(PASSWORD);
  await page.getByTestId('sign-in-go').click();
  await page.getByTestId('desk').waitFor();
  await becomes(page, 'link-state', 'data-link', ['live']);
}

async function everySiteIsWell(page) {
  for (const site of ['HQ', 'RC', 'R3']) await becomes(page, `site-${site}`, 'data-health', ['ok']);
  // Sites without a node must not look well.
  must(await health(page, 'R5') === 'no-node', `R5 has no node and is ${await health(page, 'R5')}`);
}

async function launch(page) {
  await page.getByTestId('launch-site').selectOption('R3');
  await becomes(page, `start-${PLAN}`, 'aria-disabled', ['false']);
  await page.getByTestId(`start-${PLAN}`).click();
  const dialog = page.getByTestId('launch-dialog');
  await dialog.waitFor();
  await inDialog(page, dialog, `start-${PLAN}`, 'launch dialog');
  await page.getByTestId('launch-typed').fill('R5');
  await page.getByTestId('launch-typed').press('Enter');
  await becomes(page, 'launch-typed', 'aria-invalid', ['true']);
  await page.getByTestId('launch-typed').fill('R3');
  await page.getByTestId('launch-go').click();
  await dialog.waitFor({ state: 'detached' });
}

/** The language cannot be changed behind a dialog: it is opened once for each. */
async function inDialog(page, dialog, opener, what) {
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await inBoth(page, async (lang) => {
    await page.getByTestId(opener).click();
    await dialog.waitFor();
    await examine(page, `${what}, ${lang}`);
    if (lang === 'zh') return;
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });
}

async function running(page) {
  const card = page.locator(`article[data-plan="${PLAN}"][data-mode="real"]`);
  await card.waitFor();
  const run = (await card.getAttribute('data-testid')).replace(/^run-/, '');
  await becomes(page, `step-${run}-s1`, 'data-state', ['running']);
  await inBoth(page, async (lang) => {
    const said = await page.getByTestId('clicks').locator('.what').first().innerText();
    must(CHINESE.test(said) === (lang === 'zh'), `in ${lang} the click is called “${said}”`);
  });
  return run;
}

async function nodeDies(page, run) {
  await outside('hq1 dies');
  await becomes(page, 'site-HQ', 'data-health', ['suspect', 'cut']);
  const step = page.getByTestId(`step-${run}-s1`);
  must(await step.getAttribute('data-state') === 'running', 'the page ended before HQ was missed');
  await becomes(page, 'site-HQ', 'data-health', ['cut']);
  must(await health(page, 'R3') === 'ok', 'R3 is not shown as well');
}

async function everySpeakerReceives(page, run) {
  await becomes(page, `step-${run}-s1`, 'data-state', ['done']);
  let all = 0;
  for (const [zone, count] of Object.entries(ZONES)) {
    const target = page.getByTestId(`target-${run}-s1-${zone}`);
    must(await target.getAttribute('data-state') === 'done', `zone ${zone} is not done`);
    const reach = await target.locator('.reach .sr').innerText();
    must(reach.includes('正在接收'), `zone ${zone}: ${reach}`);
    const figure = await target.locator('.reach .figure').innerText();
    must(figure === `${count}/${count}`, `zone ${zone}: ${figure}, not ${count}/${count}`);
    all += count;
  }
  must(all === 17, `${all} loudspeakers`);
}

/** The question stands for a minute: time to take pictures of the desk and examine it. */
async function question(page, run) {
  const no = page.getByTestId(`no-${run}-s3`);
  await no.waitFor();
  await inBoth(page, async (lang) => {
    await byDayAndNight(page, async (when) => {
      const name = when === 'light' ? `desk-${lang}.png` : `desk-${lang}-dark.png`;
      await page.screenshot({ path: join(OUT, name) });
      await examine(page, `desk with a question, ${lang}, ${when}`);
    });
  });
  await no.click();
  await page.getByTestId(`ended-row-${run}`).waitFor();
  await page.getByTestId(`ended-row-${run}`).click();
  await becomes(page, `ended-${run}`, 'data-how', ['declined']);
  await inBoth(page, (lang) => examine(page, `one run, ${lang}`));
  await page.getByTestId('back').click();
  await page.getByTestId('runs-empty').waitFor();
}

async function pageByHand(page) {
  await page.getByTestId('page-5401').click();
  const dialog = page.getByTestId('page-dialog');
  await dialog.waitFor();
  await inDialog(page, dialog, 'page-5401', 'page dialog');
  await page.getByTestId('audio-aud-red').check();
  await dialog.locator('input[name="times"][value="5"]').check();
  await page.getByTestId('page-go-real').click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByTestId('stop-5401').waitFor();
  await outside('zone 5401 sounds');
  await page.getByTestId('stop-5401').click();
  await page.getByTestId('stop-go').click();
  await page.getByTestId('stop-5401').waitFor({ state: 'detached' });
}

async function journal(page) {
  await page.getByTestId('note-text').fill('青峰水库广播已核实');
  await page.getByTestId('note-go').click();
  await page.getByTestId('journal-wide').click();
  for (const words of ['青峰水库广播已核实', PLAN]) {
    const line = page.getByTestId('journal-lines').locator('li', { hasText: words });
    await line.first().waitFor();
  }
  await inBoth(page, (lang) => examine(page, `journal, ${lang}`));
  await page.getByTestId('back').click();
}

async function details(page) {
  for (const [opener, view] of [['site-HQ', 'site-detail'], ['zone', 'zone-detail']]) {
    if (opener === 'zone') await page.getByTestId('zone-5403').locator('a').click();
    else await page.getByTestId(opener).click();
    await page.getByTestId(view).waitFor();
    await inBoth(page, (lang) => examine(page, `${view}, ${lang}`));
    await page.getByTestId('back').click();
  }
}

const focused = (page) => page.evaluate(() => {
  const at = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const ring = outlineStyle !== 'none' && outlineWidth !== '0px';
  return { testid: at.dataset.testid ?? null, ring };
});

/** A duty officer at R3 whose mouse is broken: in, around, and out. */
async function keyboardOnly(page) {
  const { keyboard } = page;
  await becomes(page, 'sign-in', 'data-testid', ['sign-in']);
  must((await focused(page)).testid === 'person', 'the sign-in page does not take the focus');
  await keyboard.type(PERSON);
  await keyboard.press('Tab');
  await keyboard.type(PASSWORD);
  await keyboard.press('Enter');
  await page.getByTestId('desk').waitFor();
  // The home site knows which of its loudspeakers are there.
  for (const [zone, count] of Object.entries(ZONES)) {
    await until(`${count} speakers of ${zone} are there`, async () => {
      const one = page.getByTestId(`zone-${zone}-registered`);
      const saw = await one.count() === 0 ? null : await one.innerText();
      return { ok: saw?.match(/\d+/g)?.every((n) => Number(n) === count) ?? false, saw };
    });
  }
  await keyboard.press('/');
  must((await focused(page)).testid === 'plan-filter', '“/” does not go to the plans’ filter');
  await keyboard.press('Escape');
  for (let tabs = 0; ; tabs += 1) {
    must(tabs < TABS_MAX, `sign-out is not within ${TABS_MAX} tabs`);
    await keyboard.press('Tab');
    const { testid, ring } = await focused(page);
    if (testid === null) continue;
    must(ring, `nobody sees that ${testid} has the focus`);
    if (testid === 'sign-out') break;
  }
  await keyboard.press('Enter');
  await page.getByTestId('sign-in').waitFor();
  await page.reload();
  await page.getByTestId('sign-in').waitFor();
}

/** The key that leads there, and the view. */
const VIEWS = { 5: 'calls', 6: 'conferences', 7: 'people' };

/** Whatever is shown and however far it is scrolled, a missed emergency is in sight. */
async function missedStays(page) {
  const missed = page.getByTestId('missed').locator('li');
  await missed.waitFor();
  for (const [key, view] of Object.entries(VIEWS)) {
    await page.keyboard.press(key);
    await page.getByTestId(view).waitFor();
    await inBoth(page, async (lang) => {
      await page.mouse.move(VIEW.width / 2, VIEW.height / 2);
      await page.mouse.wheel(0, 5_000);
      const said = await missed.innerText();
      must(said.includes(CALLER) && said.includes('112'), `in ${lang} it says “${said}”`);
      const box = await missed.boundingBox();
      must(box && box.y >= 0 && box.y + box.height <= VIEW.height, 'the missed call is out of sight');
      await page.screenshot({ path: join(OUT, `${view}-${lang}.png`) });
      await examine(page, `${view}, ${lang}`);
    });
  }
  await page.keyboard.press('/');
  must((await focused(page)).testid === 'people-filter', '“/” does not go to the people’s filter');
  await page.keyboard.type('5101');
  await until('one person has 5101', async () => {
    const saw = await page.locator('[data-testid^="person-"][data-phone]').count();
    return { ok: saw === 1, saw };
  });
  // Only R3 knows which of its telephones are there.
  await becomes(page, 'person-gao.yanfei', 'data-phone', ['unknown']);
  await page.keyboard.press('Escape');
  await page.keyboard.press('1');
  await page.getByTestId('runs').waitFor();
}

/** One person launches a plan that takes two; then this console is gone. */
async function halfALaunch(page) {
  await page.getByTestId('launch-site').selectOption('R3');
  await becomes(page, `drill-${DUTY}`, 'aria-disabled', ['false']);
  await page.getByTestId(`drill-${DUTY}`).click();
  const half = page.locator(`section[data-plan="${DUTY}"]`);
  await half.waitFor();
  const go = half.locator('button');
  must(await go.getAttribute('aria-disabled') === 'true', 'one person may launch both halves');
  await inBoth(page, (lang) => examine(page, `half a launch, ${lang}`));
  await page.context().close();
}

async function signInAs(page, person) {
  await page.getByTestId('person').fill(person);
  await page.getByTestId('password').fill(PASSWORD);
  await page.getByTestId('sign-in-go').click();
  await page.getByTestId('desk').waitFor();
  await becomes(page, 'link-state', 'data-link', ['live']);
}

/** What the first console left is here, and the second person goes on with it. */
async function takesOver(page) {
  await signInAs(page, SECOND);
  const missed = page.getByTestId('missed').locator('li');
  await missed.waitFor();
  must((await missed.innerText()).includes(CALLER), 'another call was missed');
  const go = page.locator(`section[data-plan="${DUTY}"] button`);
  await go.waitFor();
  must(await go.getAttribute('aria-disabled') === 'false', 'the second person may not launch');
  await inBoth(page, (lang) => examine(page, `taken over, ${lang}`));
  await missed.locator('button').focus();
  await page.keyboard.press('Enter');
  await missed.waitFor({ state: 'detached' });
  await go.focus();
  await page.keyboard.press('Enter');
  await go.waitFor({ state: 'detached' });
  const card = page.locator(`article[data-plan="${DUTY}"][data-mode="drill"]`);
  await card.waitFor();
  return (await card.getAttribute('data-testid')).replace(/^run-/, '');
}

/** Two of two acknowledged, by name and to the second; one is asked once more. */
async function peopleAcknowledge(page, run) {
  for (const step of ['s1', 's2']) await becomes(page, `roster-${run}-${step}`, 'data-reached', ['2']);
  const who = ON_DUTY[1];
  await inBoth(page, async (lang) => {
    for (const person of ON_DUTY) {
      const word = lang === 'zh' ? /已确认 \d\d:\d\d:\d\d/ : /acknowledged at \d\d:\d\d:\d\d/;
      await until(`${person} acknowledged, and when`, async () => {
        const saw = await page.getByTestId(`target-${run}-s1-${person}`).innerText();
        return { ok: word.test(saw), saw };
      });
    }
    await page.screenshot({ path: join(OUT, `roster-${lang}.png`) });
    await examine(page, `a roster, ${lang}`);
  });
  await page.getByTestId(`repeat-${run}-s1-${who}`).click();
  const dialog = page.getByTestId('again-dialog');
  await dialog.waitFor();
  await inDialog(page, dialog, `repeat-${run}-s1-${who}`, 'once more');
  await page.getByTestId('again-go').click();
  const again = page.getByTestId(`attempt-${who}-2`);
  await again.waitFor();
  await until('the second attempt is marked', async () => {
    const saw = await again.innerText();
    return { ok: saw.includes('人工再联系') && saw.includes('已确认'), saw };
  });
}

/** Two telephones of this site talk until somebody here ends it. */
async function endsACall(page) {
  await outside('two telephones talk');
  await page.keyboard.press('5');
  const end = page.getByTestId('calls-live').getByRole('button');
  await end.waitFor();
  const opener = await end.getAttribute('data-testid');
  await end.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByTestId('end-call-dialog');
  await dialog.waitFor();
  await inDialog(page, dialog, opener, 'ending a call');
  await page.getByTestId('end-call-go').focus();
  await page.keyboard.press('Enter');
  await becomes(page, opener.replace('end-', 'call-'), 'data-state', ['ended']);
  await outside('the call has ended');
  const seen = page.getByTestId('calls-ended').locator('li', { hasText: '112' });
  must((await seen.innerText()).includes('赵文慧'), 'nobody is said to have seen the missed call');
  await page.keyboard.press('7');
  await becomes(page, 'person-gao.yanfei', 'data-phone', ['on']);
  await becomes(page, 'person-li.qingsong', 'data-phone', ['off']);
  // It was a drill: nobody pressed a key.
  const acknowledged = await page.getByTestId('person-gao.yanfei').innerText();
  must(acknowledged.includes('无确认记录'), `gao.yanfei: “${acknowledged}”`);
}

async function nothingElse() {
  must(faults.length === 0, faults.join('\n'));
}

// ── The night ────────────────────────────────────────────────────────────

async function night(browser) {
  const began = Date.now();
  let shown = null;
  const step = async (name, act) => {
    try {
      const given = await act();
      tell({ step: name, at_ms: Date.now() - began });
      return given;
    } catch (error) {
      await shown?.screenshot({ path: join(OUT, 'failed.png') }).catch(() => {});
      throw new Error(`“${name}”: ${error.message}${faults.map((one) => `\n${one}`).join('')}`);
    }
  };
  mkdirSync(OUT, { recursive: true });
  const page = shown = await step('the console opens at RC', () => open(browser, NODE));
  await page.getByTestId('sign-in').waitFor();
  await step('planted faults are seen', () => seesFaults(page));
  await step('a wrong password is refused in words', () => wrongPassword(page));
  await step('the commander signs in', () => signIn(page));
  await step('every site with a node is shown well', () => everySiteIsWell(page));
  await step('a missed emergency call stays in sight', () => missedStays(page));
  await step('the red plan starts at R3 once R3 is typed', () => launch(page));
  const run = await step('the board shows it running', () => running(page));
  await step('HQ’s node dies and is missed', () => nodeDies(page, run));
  await step('17 of 17 loudspeakers receive', () => everySpeakerReceives(page, run));
  await step('the question is answered no', () => question(page, run));
  await step('a zone is paged by hand and stopped', () => pageByHand(page));
  await step('the journal has it, and a note', () => journal(page));
  await step('a site and a zone in detail', () => details(page));
  await step('half a launch, and this console is gone', () => halfALaunch(page));
  const home = shown = await step('the console opens at R3', () => open(browser, HOME));
  await step('in and out by keyboard alone', () => keyboardOnly(home));
  const duty = await step('the second console goes on with it', () => takesOver(home));
  await step('two of two acknowledge, one once more', () => peopleAcknowledge(home, duty));
  await step('a call is ended from the console', () => endsACall(home));
  await step('no error, no request to elsewhere', nothingElse);
}

const browser = await chromium.launch({ executablePath: env('FACE_CHROMIUM'), args: FLAGS });
const late = setTimeout(() => {
  process.stderr.write(`the browser was not through within ${ALL_MS} ms\n`);
  void browser.close().finally(() => process.exit(1));
}, ALL_MS);
try {
  await night(browser);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  clearTimeout(late);
  answers.close();
  await browser.close();
}
