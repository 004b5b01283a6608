"""The whole address space of the web process."""

from django.contrib import admin
from django.urls import include, path

from apps.panel import graph_page

urlpatterns = [
    path("admin/graph/", admin.site.admin_view(graph_page.show), name="graph"),
    path("admin/", admin.site.urls),
    path("", include("apps.api.urls")),
]

# JSON for everything that no view answers.
handler400 = "apps.api.errors.bad_request"
handler404 = "apps.api.errors.page_not_found"
handler500 = "apps.api.errors.server_error"
