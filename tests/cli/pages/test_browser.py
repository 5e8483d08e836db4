"""Pages in a headless Chromium: nothing is reported in its console or requested, tables are sorted, classes are chosen."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from condensation.cli.pages.report import write_report
from condensation.report.page.gallery import gallery
from condensation.report.page.parts import Article, Page, Section
from condensation.report.page.render import write_page
from tests.cli.runs import ENVIRONMENT, RUN
from tests.report.test_page import ALL, HOSTILE, noise
from tests.studies.test_reports import GOLDEN

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver: apt install chromium chromium-driver"),
]
VISIBLE = "[...document.querySelectorAll('.class')].filter((each) => each.checkVisibility())"
STUDIES = ("table", "nas", "continual", "pools", "theory", "transfer")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages of a run, of each study and of a thousand classes, by name."""
    place = tmp_path_factory.mktemp("pages")
    subprocess.run([sys.executable, "-m", "condensation", *RUN, "-o", place / "run", "--quiet"], check=True, env=ENVIRONMENT)
    made = {"run": place / "run" / "report.html"}
    for name in STUDIES:
        made[name], _ = write_report([shutil.copytree(GOLDEN / "studies" / name, place / name)])
    made["several"], _ = write_report([place / "run", place / "table"], place / "several.html")
    made["many"] = place / "many.html"
    pictures = gallery({"dm": noise(1000, 1, 16)}, noise(1000, 1, 16), 1_900_000)
    write_page(
        Page("Many classes", [Article("Many classes", [Section("Pictures", [pictures]), Section("Parts", ALL)], [HOSTILE])], "us"),
        made["many"],
    )
    return made


@pytest.fixture(scope="module")
def browser():
    """Return a headless Chromium whose console is recorded."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER, env=dict(os.environ)))
    yield driver
    driver.quit()


LOADED = "return document.readyState === 'complete' && location.href === arguments[0]"


def opened(browser, path, width=1280, dark=False):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    browser.get_log("performance")
    browser.get(path.as_uri())
    # On a busy machine, the driver may return while the page is still read.
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(LOADED, path.as_uri()))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_no_page_has_errors_requests_or_is_wider_than_the_screen(browser, pages, width, dark):
    for name, path in pages.items():
        opened(browser, path, width, dark)
        assert not browser.get_log("browser"), name
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        requests = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        assert {url.partition(":")[0] for url in requests} <= {"file", "data"}, name
        assert [url for url in requests if url.startswith("file:")] in ([path.as_uri()], []), name
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, name
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(21, 22, 26)" if dark else "rgb(255, 255, 255)"), name


def rows(table):
    return [row.text for row in table.find_elements("css selector", "tbody tr")]


def test_tables_are_sorted_by_the_keyboard(browser, pages):
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages["nas"])
    table = browser.find_element("css selector", "table.sortable")
    before = rows(table)
    names = [row.split()[0] for row in before]
    button = table.find_element("css selector", "th:first-child button")
    head = table.find_element("css selector", "th:first-child")
    button.send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert [row.split()[0] for row in rows(table)] == sorted(names)
    button.send_keys(Keys.SPACE)
    assert head.get_attribute("aria-sort") == "descending"
    assert [row.split()[0] for row in rows(table)] == sorted(names, reverse=True)
    other = table.find_element("css selector", "th:nth-child(5) button")
    other.click()
    assert head.get_attribute("aria-sort") is None
    minutes = [float(row.find_elements("css selector", "td")[3].text) for row in table.find_elements("css selector", "tbody tr")]
    assert minutes == sorted(minutes, reverse=True)


def test_numbers_are_sorted_by_value_and_missing_ones_come_last(browser, pages):
    opened(browser, pages["many"])
    table = browser.find_elements("css selector", "table.sortable")[0]
    button = table.find_element("css selector", "th:nth-child(2) button")
    for _ in range(2):
        button.click()
        assert [row.find_element("css selector", "td").text for row in table.find_elements("css selector", "tbody tr")] == [
            "1,000 ± 2",
            "-",
        ]


def test_one_class_is_chosen_and_enlarged(browser, pages):
    from selenium.webdriver.support.ui import Select

    opened(browser, pages["run"])
    shown = f"return {VISIBLE}.map((each) => each.innerText.split(/\\s/)[0])"
    assert browser.execute_script(shown) == list("0123456789")
    select = Select(browser.find_element("css selector", ".choose select"))
    width = "return document.querySelectorAll('.class')[7].querySelector('img').width"
    before = browser.execute_script(width)
    select.select_by_visible_text("7")
    assert browser.execute_script(shown) == ["7"]
    assert browser.execute_script(width) == 2 * before
    assert browser.find_element("css selector", ".said").text == "Showing 7"
    browser.find_element("css selector", ".after").click()
    assert browser.execute_script(shown) == ["8"]
    select.select_by_visible_text("all classes")
    assert browser.execute_script(shown) == list("0123456789")
    assert browser.execute_script(width) == before
    label = browser.execute_script("return document.querySelector('.choose select').labels[0].textContent")
    assert label == "Show"


def test_a_thousand_classes_are_shown_page_by_page(browser, pages):
    opened(browser, pages["many"], 390)
    count, first = f"return {VISIBLE}.length", f"return {VISIBLE}[0].querySelector('figcaption').innerText"
    assert (browser.execute_script(count), browser.execute_script(first)) == (20, "class 0")
    browser.find_element("css selector", ".after").click()
    assert (browser.execute_script(count), browser.execute_script(first)) == (20, "class 20")


def test_all_is_shown_without_scripts_and_on_paper(browser, pages):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    opened(browser, pages["run"])
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    visible = "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).length"
    assert browser.execute_script(visible, ".class") == 10
    assert browser.execute_script(visible, ".choose, th button") == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(visible, "nav") == 0
    assert browser.execute_script("return document.querySelector('details table').getBoundingClientRect().height") > 50


def test_hostile_names_run_nothing(browser, pages):
    opened(browser, pages["many"])
    assert HOSTILE.partition("\x1b")[0] in browser.find_element("css selector", "main").text
    assert len(browser.find_elements("css selector", "script")) == 1
