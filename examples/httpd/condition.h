/*
 * Conditions (RFC 9110, 13): whether a request still holds for a file as it is.
 *
 * Thread: any; nothing is changed.
 */
#ifndef TSUGA_HTTPD_CONDITION_H
#define TSUGA_HTTPD_CONDITION_H

#include <stdbool.h>

#include "examples/httpd/file.h"
#include "examples/httpd/request.h"

/* 200: go on; 304: the client has it already; 412: it is not what the client takes it for. */
int condition_status(const struct request *request, const struct file_facts *facts);

/* Whether a range is of this version of the file; true when the client does not care. */
bool condition_allows_range(const struct request *request, const struct file_facts *facts);

#endif
