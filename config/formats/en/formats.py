"""Of `LANGUAGE_CODE`; what may be typed into forms stays Django's."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s T"
