"""Makes a page of a mail, as a mail program shows it: the HTML part, its pictures in it.

    as_page.py MAIL.eml PAGE.html"""

import base64
import email
import email.policy
import sys
from pathlib import Path


def main():
    mail = email.message_from_bytes(Path(sys.argv[1]).read_bytes(), policy=email.policy.default)
    page = mail.get_body(["html"]).get_content()
    for part in mail.walk():
        name = (part["Content-ID"] or "").strip("<>")
        if name and f"cid:{name}" in page:
            content = base64.b64encode(part.get_content()).decode()
            page = page.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{content}")
    if "cid:" in page:
        sys.exit("the page shows a picture that the mail does not hold")
    Path(sys.argv[2]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
