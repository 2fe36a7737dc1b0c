"""The catalog: what src/scripts/make_schema.py wrote into catalog.json.

store(DerivaMLConfig("data.example.org", "42"), group="deriva_ml", name="production")      another one
"""

from pathlib import Path

from deriva_ml_kit.runner import store_connection

store_connection(Path(__file__).with_name("catalog.json"))
