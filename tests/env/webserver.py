# SPDX-License-Identifier: Apache-2.0
"""Configurations of the web servers: apache-conf/*.conf.in with the places of a stack, and what stands around them."""

import os
import pathlib
import re
import resource
import shlex

from process import SRCDIR, StackError, clean_environment, find_program

WEB_USER = "www-data"            # what Debian's Apache runs as when root starts it


def operator_config(stack, name):
    """apache-conf/NAME.in with the places of this stack, as `make install` writes it with those of the system."""
    text = (SRCDIR / "apache-conf" / f"{name}.in").read_text(encoding="utf-8")
    places = {"pkglibexecdir": stack.libexec, "pkgdatadir": stack.share, "sysconfdir": stack.config_file.parent, "runstatedir": stack.run,
              "localstatedir": stack.dir, "VERSION": "test"}
    for key, value in places.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def lighttpd(stack):
    """(command, environment)"""
    text = operator_config(stack, "lighttpd.conf")
    variant = {"lighttpd": "A", "lighttpd-spawn": "B", "lighttpd-cgi": "C"}[stack.front]
    if variant != "A":
        # what its first lines tell the operator to do
        text = text.replace('server.modules += ("mod_fastcgi")\n', "", 1)
        text = re.sub(r'^    fastcgi\.server = .*?^    \)\)\)\n', "", text, count=1, flags=re.S | re.M)
        text = re.sub(rf"^#{variant} ", "", text, flags=re.M)
        if variant == "C":
            pairs = "".join(f', "{k}" => "{v}"' for k, v in stack.env.items())
            text = text.replace('ai-generate.conf")\n', f'ai-generate.conf"{pairs})\n')
    fds = min(19900, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    uploads = stack.dir / "uploads"
    uploads.mkdir(exist_ok=True)
    docroot = stack.share / "apache-conf/htdocs"
    head = f'''server.bind = "127.0.0.1"
server.port = {stack.port}
server.document-root = "{docroot}"
server.errorlog = "{stack.log('server')}"
server.breakagelog = "{stack.log('gateway')}"
server.upload-dirs = ("{uploads}")
server.max-fds = {fds}
server.max-connections = {fds // 2}
server.errorfile-prefix = "{docroot}/errors/"
mimetype.assign = (".html" => "text/html", ".js" => "text/javascript", ".css" => "text/css")
index-file.names = ("index.html")
'''
    config = stack.dir / "etc/lighttpd.conf"
    config.write_text(head + text)
    return [find_program("lighttpd"), "-D", "-f", str(config)], stack.gateway_environment()


def apache(stack):
    """(command, environment)"""
    modules = pathlib.Path(os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules"))
    name = stack.front
    wanted = ["mpm_event", "authz_core", "alias", "env", "setenvif", "mime", "dir", "headers", "reqtimeout", "rewrite"]
    wanted += {"apache-proxy": ["proxy", "proxy_fcgi"], "apache-fcgid": ["fcgid"], "apache-cgi": ["cgid"]}[name]
    missing = [m for m in wanted if not (modules / f"mod_{m}.so").exists()]
    if missing:
        raise StackError(f"Apache's mod_{missing[0]} is not installed" +
                         (" (Debian: apt-get install libapache2-mod-fcgid)" if missing[0] == "fcgid" else ""))
    lines = [f"LoadModule {m}_module {modules}/mod_{m}.so" for m in wanted]
    lines += [f"ServerRoot {stack.dir}", f"PidFile {stack.dir}/pid/apache.pid", f"DefaultRuntimeDir {stack.run}", f"Mutex file:{stack.run} default",
              f"Listen 127.0.0.1:{stack.port}", "ServerName localhost", f"ErrorLog {stack.log('server')}", "LogLevel warn",
              "TypesConfig /etc/mime.types", "ListenBacklog 4096", "ThreadStackSize 262144", "ServerLimit 32", "ThreadLimit 256",
              "StartServers 2", "ThreadsPerChild 64", "MaxRequestWorkers 2048", "MinSpareThreads 64", "MaxSpareThreads 512",
              f"DocumentRoot {stack.share}/apache-conf/htdocs", "<Directory />", "Require all denied", "</Directory>",
              f"<Directory {stack.share}/apache-conf/htdocs>", "Require all granted", "</Directory>"]
    if name == "apache-fcgid":
        lines += [f"FcgidIPCDir {stack.run}/fcgid", f"FcgidProcessTableFile {stack.run}/fcgid_shm"]
        lines += [f"FcgidInitialEnv {k} {shlex.quote(str(v))}" for k, v in stack.env.items()]
    if name == "apache-cgi":
        lines += [f"ScriptSock {stack.run}/cgisock"]
        lines += [f"SetEnv {k} {shlex.quote(str(v))}" for k, v in stack.env.items()]
    if stack.as_root:
        if not stack.has_web_user():
            raise StackError(f"Apache needs the user {WEB_USER} when root starts it")
        lines += [f"User {WEB_USER}", f"Group {WEB_USER}"]
    text = operator_config(stack, f"{name}.conf").replace("<VirtualHost *:80>", f"<VirtualHost 127.0.0.1:{stack.port}>")
    config = stack.dir / "etc/apache.conf"
    config.write_text("\n".join(lines) + "\n" + text)
    return [find_program("apache2"), "-f", str(config), "-DFOREGROUND"], clean_environment()
