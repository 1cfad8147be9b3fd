# make run      build and start a server on 127.0.0.1:9292 that keeps everything in ./data
# make install  the program and its links of Glance's names below PREFIX (/usr/local), in DESTDIR if that is given
# make deb      Debian packages of it in target/deb, from a build of their own
# make image    an OCI image of it in target/image, without a container engine
# make package-walk  those packages on a bare Debian 12:  make package-walk BEFORE=older.deb
# make test     every test; a table at the end says how many and how long they took
# make matrix   every suite on every database
# make bench    the same work on a real Glance and on Vitrine, in one table:  make bench BENCH="--images 1000 --only list"
# make chaos    deaths of servers, databases and disks for an hour, far more of them than in `make test`
# make soak     everything at once for an hour, with faults, and whether all is well then:  make soak DURATION=600 SEED=1
# make usage    10,000 histories of images, and what is charged for them, against an oracle (an hour)
# make fuzz     every parser against libFuzzer, so many seconds each:  make fuzz SECONDS=600 TARGETS="query range"
# make lint     Rust, Python and shell; licences, advisories
# make numbers  how long files and functions are, how much of the tree is tests, what is there twice
#
# Each installs the Debian packages that it needs and that are missing (as root or by sudo).

# What `vitrine` is told by `make run`:  make run ARGS="serve --data-dir /srv/images --bind 0.0.0.0:9292"
ARGS ?= serve --data-dir ./data --bind 127.0.0.1:9292
# What `make test` is to run, all when empty:  make test SUITES=endtoend
SUITES ?=
# For how long `make fuzz` tries each parser, and which ones; all when empty.
SECONDS ?= 60
TARGETS ?=
# For how many seconds `make soak` goes on, with how many clients, at how many operations a second, on which database
# (sqlite, postgresql, mariadb), and from which seed; a new one when empty.
DURATION ?= 3600
CLIENTS ?= 50
RATE ?= 20
DATABASE ?= sqlite
SEED ?=
# What `make bench` is told; `benches/compare --help` lists it.
BENCH ?=

BUILD_PACKAGES = gcc libc6-dev pkg-config libssl-dev libpq-dev libmariadb-dev
# qemu-img and the ISO are the real input of tests; PostgreSQL and MariaDB are their databases, Ceph their stores, HAProxy
# and nginx stand before several nodes, RabbitMQ is told of events, Prometheus reads figures, memcached keeps tokens; Go and
# its OpenStack library are for the clients in tests/clients/go.
TEST_PACKAGES = $(BUILD_PACKAGES) openssl python3 python3-venv qemu-utils ipxe fdisk e2fsprogs util-linux procps bzip2 \
	xz-utils zstd postgresql mariadb-server haproxy nginx-light rabbitmq-server prometheus memcached \
	$(PACKAGE_PACKAGES) lintian man-db systemd dbus iproute2 skopeo umoci ca-certificates $(CEPH_PACKAGES) $(GO_PACKAGES)
PACKAGE_PACKAGES = dpkg-dev binutils git python3
GO_PACKAGES = golang-go golang-github-gophercloud-gophercloud-dev
CEPH_PACKAGES = ceph-mon ceph-osd ceph-common radosgw python3-rados python3-rbd
BENCH_PACKAGES = $(BUILD_PACKAGES) openssl python3 python3-venv qemu-utils postgresql mariadb-server nginx-light

.PHONY: run build install shipped deb image package-walk test matrix bench chaos soak usage fuzz lint numbers

LINT_PACKAGES = $(BUILD_PACKAGES) git python3 python3-venv shellcheck golang-go

run: build
	exec target/release/vitrine $(ARGS)

build:
	tools/packages $(BUILD_PACKAGES)
	cargo build --locked --release

PREFIX ?= /usr/local

install: build
	install -D -m 755 target/release/vitrine $(DESTDIR)$(PREFIX)/bin/vitrine
	$(DESTDIR)$(PREFIX)/bin/vitrine links --to $(PREFIX)/bin/vitrine $(DESTDIR)$(PREFIX)/bin

# Paths of this machine do not belong into what others install; two machines build the same bytes without them.
SHIPPED_FLAGS = --remap-path-prefix=$(CURDIR)=. --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo

shipped:
	tools/packages $(BUILD_PACKAGES) $(PACKAGE_PACKAGES)
	RUSTFLAGS="$(SHIPPED_FLAGS)" cargo build --locked --release --target-dir target/shipped

deb: shipped
	tools/deb --binary target/shipped/release/vitrine

# Further programs in it:  make image WITH="/usr/bin/qemu-img"
WITH ?=

image: shipped
	tools/packages ca-certificates
	tools/image --binary target/shipped/release/vitrine $(addprefix --with ,$(WITH))

# The package to upgrade from, for instance of the commit before.
BEFORE ?=

package-walk: shipped
	tools/packages debootstrap dbus iproute2 lintian man-db python3-venv qemu-utils
	tools/package-walk target/shipped/release/vitrine $(BEFORE)

test:
	tools/packages $(TEST_PACKAGES)
	tools/test $(SUITES)

matrix:
	tools/packages $(TEST_PACKAGES)
	tools/test --database all $(SUITES)

bench: build
	tools/packages $(BENCH_PACKAGES)
	python3 benches/compare $(BENCH)

chaos:
	tools/packages $(TEST_PACKAGES)
	tools/test chaos

soak: build
	tools/packages $(TEST_PACKAGES)
	VITRINE=target/release/vitrine tests/soak/run --seconds $(DURATION) --clients $(CLIENTS) --rate $(RATE) \
		--database $(DATABASE) $(addprefix --seed ,$(SEED))

# Histories that `make usage` lives through.
HISTORIES ?= 10000

usage:
	tools/packages $(BUILD_PACKAGES)
	USAGE_HISTORIES=$(HISTORIES) cargo test --locked --release --test usage -- --nocapture

fuzz:
	tools/packages $(BUILD_PACKAGES) g++ python3
	tools/fuzz --seconds $(SECONDS) $(TARGETS)

lint:
	tools/packages $(LINT_PACKAGES)
	tools/lint

numbers:
	tools/packages python3
	tools/numbers
