"""Our `demo` as a foreign dissector sees it."""

import os
import tempfile
import unittest

from capture import fields
from programs import ours, output

MALFORMED = (
    "_ws.malformed || coap.invalid_option_number || coap.invalid_option_range || coap.opt.unknown"
)


class Demo(unittest.IsolatedAsyncioTestCase):
    async def test_the_capture_is_right(self):
        with tempfile.TemporaryDirectory() as directory:
            capture = os.path.join(directory, "demo.pcap")
            status, printed = await output(ours("demo"), "--pcap", capture, limit=60)
            self.assertEqual(status, 0, printed)

            self.assertEqual(await fields(capture, "frame.number", only="!coap"), [])
            self.assertEqual(await fields(capture, "frame.number", only=MALFORMED), [])
            codes = {code for [code] in await fields(capture, "coap.code")}
            # Besides Empty (0.00), what the demo promises: GET, POST, PUT, DELETE and their success.
            for code in (1, 2, 3, 4, 65, 66, 68, 69):
                self.assertIn(str(code), codes)
            # It begins with a bootstrap: the request of the client, and the Finish.
            asked = await fields(capture, "coap.opt.uri_path", only="coap.code == 2")
            bootstraps = [row for row in asked if row[0] == "bs"]
            self.assertGreaterEqual(len(bootstraps), 2, "a Bootstrap-Request and a Bootstrap-Finish")

            named = await fields(capture, "lwm2mtlv.resource.manufacturer", only="lwm2mtlv")
            self.assertIn(["Open Mobile Alliance"], named)
            observed = await fields(capture, "coap.token", only="coap.opt.observe && coap.code == 69")
            self.assertGreater(len(observed), 1, "an answer to Observe, and a notification")


if __name__ == "__main__":
    unittest.main()
