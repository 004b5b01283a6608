"""How Django writes dates: as the panel's own pages and the API do, in UTC."""
