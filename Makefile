.PHONY: setup demo test coverage lint site golden bench lock dist

# Everything below sets itself up: Python, packages, Arm compiler and emulator (see .ci/setup).
setup:
	@.ci/setup

demo: setup
	@.venv/bin/mcukd demo

# A third worker computes while others wait for a line or a process; lint, mostly on one core, runs beside them.
test: setup
	@$(MAKE) --no-print-directory -o setup lint & lint=$$!; \
	.venv/bin/python -m pytest -q -n 3 --dist worksteal -m "not slow"; tests=$$?; \
	wait $$lint && exit $$tests

# The same tests with the lines that they reach; nearly twice the time.
coverage: setup
	@rm -f .coverage*
	@.venv/bin/python -m pytest -q -n 3 --dist worksteal -m "not slow" --cov --cov-report=
	@.venv/bin/coverage report --skip-covered --fail-under=85

lint: setup
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check -q
	@.venv/bin/mypy
	@.venv/bin/vermin --no-tips -q -t=3.11- --eval-annotations mcukd
	@.venv/bin/lint-imports --no-cache

# The documentation as a website in build/site, made without network, its notebooks run before; a broken link is an error.
site: setup
	@.venv/bin/python docs/site/notebooks.py
	@.venv/bin/python -m mkdocs build -q && echo "build/site/index.html"

# Golden files of generated code, after an intended change: read the difference before committing it.
golden: setup
	@cd tests && ../.venv/bin/python regenerate_golden.py

# Kernels on emulated cores beside float and TFLite: experiments/results/latest.json and a figure, in some minutes.
bench: setup
	@.venv/bin/python experiments/kernels.py

# Source distribution and wheel in dist/, checked, and the wheel run far from the checkout.
dist: setup
	@rm -rf dist && .venv/bin/python -m build -q .
	@.venv/bin/uvx -q twine check --strict dist/* && .venv/bin/uvx -q check-wheel-contents dist/*.whl
	@folder=$$(mktemp -d) && .venv/bin/uv venv -q --python .venv/bin/python $$folder/venv && \
	.venv/bin/uv pip install -q --python $$folder/venv dist/*.whl && \
	cd $$folder && venv/bin/mcukd boards >/dev/null && venv/bin/mcukd data list >/dev/null && venv/bin/mcukd --version && \
	rm -rf $$folder

# Newest versions that fit pyproject.toml, for every platform and Python.
lock: setup
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q --upgrade -o requirements.lock
	@.venv/bin/uv pip compile .ci/packagers.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q --upgrade -o .ci/packagers.lock
