#!/usr/bin/env python3
"""Tests of the checks: in a small tree with one planted fault each, the fault is found, and only it."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

HEADER = '''// x.h: sample.
#ifndef CEREBRO_{guard}
#define CEREBRO_{guard}

{body}
#endif
'''


def header(path, body):
    return HEADER.format(guard=path.upper().replace('/', '_').replace('.', '_'), body=body)


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix='cerebro-tidy-')
        self.addCleanup(shutil.rmtree, self.root)
        os.makedirs(os.path.join(self.root, 'tests', 'tidy'))
        for name in os.listdir(HERE):
            if name.endswith(('.py', '.txt')):
                shutil.copy(os.path.join(HERE, name), os.path.join(self.root, 'tests', 'tidy'))
        with open(os.path.join(HERE, 'layers.txt'), encoding='utf-8') as file:
            for line in file:
                if line.startswith('floor ') and '*' not in line:
                    folder = line[6:].split(':')[0]
                    os.makedirs(os.path.join(self.root, folder), exist_ok=True)
        self.write('runtime/base/x.h', header('runtime/base/x.h',
                                              '// rt_x adds one.\nint rt_x(int value);\n'))
        self.write('runtime/base/x.c', '#include "runtime/base/x.h"\n\n'
                                       'int\nrt_x(int value)\n{\n    return value + 1;\n}\n')

    def write(self, path, text):
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, 'w', encoding='utf-8') as file:
            file.write(text)

    def run_check(self, name, *args):
        return subprocess.run([sys.executable, os.path.join(self.root, 'tests', 'tidy', name), *args],
                              capture_output=True, text=True, check=False)

    def assert_fine(self, name, *args):
        run = self.run_check(name, *args)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def assert_found(self, name, *wanted, args=()):
        run = self.run_check(name, *args)
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 1, said)
        for text in wanted:
            self.assertIn(text, said)
        self.assertIn(f'{len(wanted)} errors', said)


class Layers(Tree):
    def test_sound_tree_passes(self):
        self.write('runtime/wire/y.c', '#include "runtime/base/x.h"\n#include <string.h>\n')
        self.write('runtime/wire/y_test.c', '#include "tests/harness/check.h"\n'
                                            '#include "brain/core/internal.h"\n')
        self.assert_fine('check_layers.py')

    def test_upward_include_is_found(self):
        self.write('runtime/base/y.c', '#include "runtime/wire/mp.h"\n')
        self.assert_found('check_layers.py', 'runtime/base/y.c:1: includes runtime/wire/mp.h')

    def test_agent_that_includes_another_is_found(self):
        self.write('agents/a/a.c', '#include "agents/b/b.h"\n#include "brain/agent/agent.h"\n')
        self.assert_found('check_layers.py', 'agents/a/a.c:1: includes agents/b/b.h')

    def test_agent_may_include_messages_of_the_core_but_not_the_core(self):
        self.write('agents/a/a.c', '#include "brain/core/core_msgs.h"\n'
                                   '#include "brain/core/brain.h"\n')
        self.assert_found('check_layers.py', 'agents/a/a.c:2: includes brain/core/brain.h')

    def test_foreign_internal_header_is_found(self):
        self.write('brain/core/y.c', '#include "brain/agent/internal.h"\n')
        self.assert_found('check_layers.py', 'internal to brain/agent')

    def test_test_header_in_code_is_found(self):
        self.write('brain/core/y.c', '#include "tests/harness/check.h"\n')
        self.assert_found('check_layers.py', 'only tests include tests')

    def test_checker_of_journals_that_shares_code_with_them_is_found(self):
        self.write('tests/audit/y.c', '#include "runtime/base/x.h"\nvoid *p = malloc(1);\n')
        self.write('tests/audit/y_test.c', '#include "runtime/base/x.h"\n')
        self.assert_found('check_layers.py', 'tests/audit/y.c:1: includes runtime/base/x.h',
                          'y.c:2: malloc is called in')

    def test_folder_without_a_floor_is_found(self):
        self.write('runtime/attic/y.c', '')
        self.assert_found('check_layers.py', 'runtime/attic has no floor')

    def test_library_beside_its_door_is_found(self):
        self.write('brain/core/y.c', '#include <lmdb.h>\n')
        self.write('runtime/real/y.h', '#include <nng/nng.h>\n')
        self.write('runtime/real/y.c', '#include <nng/nng.h>\n')
        self.assert_found('check_layers.py', 'brain/core/y.c:1: <lmdb.h> belongs to',
                          'runtime/real/y.h:1: a header must not include <nng/nng.h>')

    def test_cycle_is_found(self):
        with open(os.path.join(self.root, 'tests/tidy/layers.txt'), 'a', encoding='utf-8') as file:
            file.write('floor runtime/base: runtime/wire\n')
        self.assert_found('check_layers.py', 'cycle: runtime/base -> runtime/wire -> runtime/base')

    def test_banned_and_homeless_calls_are_found_and_comments_are_not(self):
        self.write('brain/core/y.c', '// sprintf(x) malloc(1)\nchar *s = "sprintf(x)";\n'
                                     'int a = sprintf(s, "");\nvoid *p = malloc(1);\n'
                                     'int b = m->free(p);\n')
        self.assert_found('check_layers.py', 'y.c:3: sprintf is banned', 'y.c:4: malloc is called in')

    def test_domain_word_in_runtime_is_found_and_sorting_is_not(self):
        self.write('runtime/base/y.c', 'int order;\nint carrier_count;\nint rt_order_get;\n')
        self.assert_found('check_layers.py', 'carrier_count', 'rt_order_get')


class Style(Tree):
    def test_sound_tree_passes(self):
        self.assert_fine('check_style.py')

    def test_wide_line_tab_and_trailing_space_are_found(self):
        self.write('runtime/base/y.c', '// ' + 'x' * 98 + '\n\tint a;\nint b; \n')
        self.assert_found('check_style.py', 'y.c:1: 101 columns', 'y.c:2: a tab',
                          'y.c:3: white space at the end')

    def test_table_may_be_wide(self):
        self.write('runtime/base/y.c', '// tidy: table\n// ' + 'x' * 98 + '\n')
        self.assert_fine('check_style.py')

    def test_unfinished_work_is_found(self):
        self.write('runtime/base/y.c', '// TO' + 'DO later\nchar t[] = "/tmp/XXXXXX";\n')
        self.assert_found('check_style.py', 'y.c:1: TO' + 'DO')

    def test_prototype_without_comment_is_found_and_a_family_is_not(self):
        body = ('// rt_a and rt_b add.\nint rt_a(void);\nint rt_b(void);\n\n'
                'int rt_c(int (*call)(void));\n\n// wrong name\nint rt_d(void);\n\n'
                '// rt_f_* are a family.\nint rt_f_a(void);\n\n'
                'typedef int (*rt_call)(int);\nstatic inline int\nrt_e(void)\n{\n    return rt_a();\n}\n')
        self.write('runtime/base/y.h', header('runtime/base/y.h', body))
        self.assert_found('check_style.py', 'rt_c wants a comment', 'rt_d wants a comment')

    def test_long_function_is_listed_but_no_error(self):
        self.write('runtime/base/y.c', 'int\nrt_y(void)\n{\n' + '    ;\n' * 80 + '}\n')
        run = self.run_check('check_style.py')
        self.assertEqual(run.returncode, 0)
        self.assertIn('rt_y has 82 lines', run.stdout)


class Docs(Tree):
    def test_what_is_there_passes(self):
        self.write('runtime/base/x_test.c', 'static void\ntest_x_adds(void **state)\n{\n}\n')
        self.write('README.md', '[x](runtime/base/x.h) `runtime/base/x` `test_x_adds`\n'
                                '```\n[y](runtime/base/y.h)\n```\n')
        self.assert_fine('check_docs.py')

    def test_missing_link_path_and_test_are_found(self):
        self.write('runtime/README.md', '[y](base/y.h)\n`runtime/base/y.c`\n`test_y`\n')
        self.assert_found('check_docs.py', 'runtime/README.md:1: link to base/y.h',
                          'runtime/README.md:2: path runtime/base/y.c', ':3: test_y')


class Headers(Tree):
    def test_sound_tree_passes(self):
        self.assert_fine('check_headers.py', 'gcc', self.root)

    def test_header_that_needs_another_is_found(self):
        self.write('runtime/base/y.h', header('runtime/base/y.h', 'extern size_t rt_y;\n'))
        self.assert_found('check_headers.py', 'runtime/base/y.h:1: does not compile alone',
                          args=('gcc', self.root))

    def test_wrong_guard_is_found(self):
        self.write('runtime/base/y.h', header('runtime/base/z.h', ''))
        self.assert_found('check_headers.py', 'the guard is CEREBRO_RUNTIME_BASE_Y_H',
                          args=('gcc', self.root))


class Seams(Tree):
    def library(self, name, folder, text):
        # as meson does, the object is named after folder and file
        place = os.path.join(self.root, name + '.p')
        os.makedirs(place, exist_ok=True)
        source, target = os.path.join(place, folder + '.c'), os.path.join(place, folder + '.c.o')
        with open(source, 'w', encoding='utf-8') as file:
            file.write(text)
        subprocess.run(['gcc', '-w', '-c', source, '-o', target], check=True)
        library = os.path.join(self.root, name)
        subprocess.run(['ar', 'rc', library, target], check=True)
        return library

    def libraries(self, core):
        self.write('runtime/seam/clock.h', header('runtime/seam/clock.h',
                                                  '// rt_now is the time.\nlong rt_now(void);\n'))
        return [self.library('real.a', 'real', 'long rt_now(void) { return 1; }\n'
                                               'long rt_raw(void) { return 1; }\n'),
                self.library('sim.a', 'sim', 'long rt_now(void) { return 2; }\n'),
                self.library('core.a', 'base_y', core)]

    def test_core_that_uses_a_seam_passes(self):
        self.assert_fine('check_seams.py', *self.libraries(
            'long rt_now(void); long rt_y(void) { return rt_now(); }\n'))

    def test_clock_in_the_core_is_found(self):
        self.assert_found('check_seams.py', 'calls time,', args=self.libraries(
            'long time(long *); long rt_y(void) { return time(0); }\n'))

    def test_call_of_one_side_alone_is_found(self):
        self.assert_found('check_seams.py', 'calls rt_raw,', args=self.libraries(
            'long rt_raw(void); long rt_y(void) { return rt_raw(); }\n'))

    def test_seam_without_a_simulated_side_is_found(self):
        libraries = self.libraries('int rt_y;\n')
        self.write('runtime/seam/z.h', header('runtime/seam/z.h', '// rt_raw.\nlong rt_raw(void);\n'))
        self.assert_found('check_seams.py', 'rt_raw is not implemented in runtime/sim',
                          args=libraries)


if __name__ == '__main__':
    unittest.main(verbosity=1)
