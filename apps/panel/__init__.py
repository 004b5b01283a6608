"""The operator's panel at `/admin/`: what Django's admin does not do by itself.

The top of the platform: it reads what every layer has, and changes it through the same services as
the REST API (`apps.runs.lifecycle`, `apps.subscriptions.replay`, …), with the operator as actor.
Tables that are for looking only stay with their app (`apps/*/admin.py`).

    theme.py     the look of the panel and its menu (settings.UNFOLD)
    admin.py     registers what is here
"""
