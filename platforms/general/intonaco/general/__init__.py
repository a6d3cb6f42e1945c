"""The general-purpose platform of Intonaco: tables, regression, classification, correction of estimates."""
