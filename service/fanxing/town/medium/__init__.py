"""The market town at size M: 24 months of 2,000 merchants, made merchant by merchant in columns."""
