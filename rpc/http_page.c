/* http_page: the dashboard, for browsers. It has nothing of the log in it: what it shows, it asks for as its user. */
#include "rpc/http.h"

#include "rpc/dashboard.h"

#include <stdlib.h>
#include <string.h>

void http_page_run(struct http_request *request)
{
	char *page = malloc(sizeof dashboard_page);
	if (page == NULL) {
		http_answer_break(request);
		return;
	}
	memcpy(page, dashboard_page, sizeof dashboard_page);
	http_answer(request, 200, "text/html; charset=utf-8",
	            "Content-Security-Policy: " DASHBOARD_POLICY "\r\nReferrer-Policy: no-referrer\r\n"
	            "Cross-Origin-Opener-Policy: same-origin\r\n",
	            page, sizeof dashboard_page);
}
