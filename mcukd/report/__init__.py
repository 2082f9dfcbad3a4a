"""The report of a study: verdict, tables, figures and the HTML page."""
