"""Record the results of the audits of differential privacy in results/privacy-audit.json, from the report of their tests.

    pytest -m slow tests/studies/test_audit.py -o junit_family=xunit1 --junit-xml=audit.xml
    python -m scripts.record_audits audit.xml

``--commit`` names the commit that was tested, if it is not the present one.
"""

import argparse
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.harness import made_by

from condensation.core.storage import write_json

RESULT = Path(__file__).parents[1] / "results" / "privacy-audit.json"
BUILDS = {
    "test_the_audit_recovers_nearly_the_claim": "as it is",
    "test_the_audit_fails_if_each_step_draws_noise_anew": "noise drawn anew for each of 8 views of a sum",
    "test_the_audit_fails_if_embeddings_are_not_clipped": "embeddings not clipped",
    "test_the_audit_fails_if_noise_is_not_scaled_by_the_clip": "noise not scaled by the clip of 2",
}
COMMAND = "pytest -m slow tests/studies/test_audit.py -o junit_family=xunit1 --junit-xml=audit.xml"


def main(report: Path, commit: str | None) -> None:
    """Write the result."""
    rows = []
    for case in ElementTree.parse(report).iter("testcase"):  # our own file
        values = {each.get("name", ""): float(each.get("value", "nan")) for each in case.iter("property")}
        assert not list(case.iter("failure")), f"{case.get('name')} failed."
        rows.append({"build": BUILDS[case.get("name", "")], **values, "seconds": float(case.get("time", "nan"))})
    about = made_by()
    write_json(RESULT, {"command": COMMAND, "made_by": {**about, "commit": commit or about["commit"]}, "builds": rows})
    print(f"written to {RESULT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--commit")
    given = parser.parse_args()
    main(given.report, given.commit)
