#!/usr/bin/env python3
"""The loop that one would write first: asyncio, five agents, SQLite, one event after the other.

It is a benchmark's peer (tests/bench/README.md). For every event: the agents that its type concerns
look at it concurrently (asyncio.gather) and each proposes an action with priority and confidence;
of the proposals for one target the one with the highest priority * confidence wins; event and
winners are inserted into SQLite and committed. Python's and SQLite's defaults, standard library only.

What it leaves out makes it faster: no network, no check of the event, no duplicates, no playbooks,
no history but a few counters, nothing learned, nobody told, and no pause between rounds.

usage: asyncio_loop.py EVENTS DATABASE WARM_UP_SECONDS SECONDS

EVENTS has one JSON object a line. After the warm-up it says "ready", waits for a line on standard
input, measures, says "done EVENTS ELAPSED_US P50_US P99_US" and waits for the end of its input.
"""
import asyncio
import json
import sqlite3
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Action:
    """What one agent proposes."""
    agent: str
    target: str
    kind: str
    priority: float
    confidence: float
    details: dict = field(default_factory=dict)


class LogisticsAgent:
    """Watches what happens to parcels, and how often a carrier is in trouble."""
    hears = ('order.', 'guide.', 'tracking.', 'carrier.', 'delivery.')

    def __init__(self):
        self.troubles = {}

    async def process(self, event):
        kind, data = event['type'], event.get('data', {})
        carrier = data.get('carrier', '')
        if kind.endswith(('.failed', '.lost', '.status')):
            self.troubles[carrier] = self.troubles.get(carrier, 0) + 1
        risk = min(1.0, self.troubles.get(carrier, 0) / 100)
        if kind == 'order.created':
            return Action('logistics', event['subject'], 'assign_carrier', 0.6, 0.85,
                          {'carrier': carrier, 'risk': risk})
        if risk > 0.7:
            return Action('logistics', event['subject'], 'flag_for_monitoring', 0.8, risk)
        return Action('logistics', event['subject'], 'none', 0.1, 1.0)


class CustomerAgent:
    """Chooses what to tell a customer: the best of four values."""
    hears = ('order.', 'customer.', 'delivery.', 'issue.')
    possible = ('nothing', 'notify', 'apologise', 'compensate')

    def __init__(self):
        self.heard = {}

    async def process(self, event):
        subject = event['subject']
        heard = self.heard[subject] = self.heard.get(subject, 0) + 1
        values = {kind: (i + 1) / (heard + i) for i, kind in enumerate(self.possible)}
        best = max(values, key=values.get)
        return Action('customer', subject, best, 0.5, min(1.0, values[best]))


class FinanceAgent:
    """Looks at amounts."""
    hears = ('order.', 'issue.')

    async def process(self, event):
        value = event.get('data', {}).get('value', 0)
        kind = 'review' if value > 1_000_000 else 'none'
        return Action('finance', event['subject'], kind, 0.7, 0.9 if value > 1_000_000 else 0.1)


class OptimizationAgent:
    """Counts load by city."""
    hears = ('order.', 'guide.', 'carrier.')

    def __init__(self):
        self.load = {}

    async def process(self, event):
        city = event.get('data', {}).get('city', '')
        self.load[city] = self.load.get(city, 0) + 1
        crowded = self.load[city] > 1000
        return Action('optimization', event['subject'], 'spread' if crowded else 'none', 0.4, 0.5)


class EmergencyAgent:
    """Anything that sounds like trouble, first."""
    hears = ('',)

    async def process(self, event):
        trouble = event['type'] in ('delivery.failed', 'customer.lost', 'issue.reported')
        return Action('emergency', event['subject'], 'escalate' if trouble else 'none', 1.0,
                      0.9 if trouble else 0.05)


class AgentCoordinator:
    """Asks the agents an event concerns, resolves conflicts, keeps event and decision."""

    def __init__(self, path):
        self.agents = {'logistics': LogisticsAgent(), 'customer': CustomerAgent(),
                       'finance': FinanceAgent(), 'optimization': OptimizationAgent(),
                       'emergency': EmergencyAgent()}
        self.db = sqlite3.connect(path)
        self.db.execute('CREATE TABLE events (id TEXT, type TEXT, subject TEXT, body TEXT)')
        self.db.execute('CREATE TABLE decisions (event_id TEXT, agent TEXT, target TEXT, kind TEXT,'
                        ' priority REAL, confidence REAL, details TEXT)')
        self.db.commit()

    def classify_event(self, event):
        return {name for name, agent in self.agents.items()
                if event['type'].startswith(agent.hears)}

    def resolve_conflicts(self, actions):
        by_target = {}
        for action in actions:
            by_target.setdefault(action.target, []).append(action)
        return [max(of_target, key=lambda a: a.priority * a.confidence)
                for of_target in by_target.values()]

    async def process_event(self, body):
        event = json.loads(body)
        relevant = self.classify_event(event)
        actions = await asyncio.gather(*[agent.process(event)
                                         for name, agent in self.agents.items()
                                         if name in relevant])
        final = self.resolve_conflicts(actions)
        self.db.execute('INSERT INTO events VALUES (?, ?, ?, ?)',
                        (event['id'], event['type'], event['subject'], body))
        for action in final:
            self.db.execute('INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)',
                            (event['id'], action.agent, action.target, action.kind,
                             action.priority, action.confidence, json.dumps(action.details)))
        self.db.commit()
        return final


async def run(coordinator, events, seconds):
    """Feeds it for so many seconds; how long each event took, in microseconds."""
    took = []
    end = time.perf_counter() + seconds
    for body in events:
        begin = time.perf_counter()
        if begin >= end:
            break
        await coordinator.process_event(body)
        took.append((time.perf_counter() - begin) * 1e6)
    return took


async def main():
    path, database, warm_up, seconds = sys.argv[1:]
    coordinator = AgentCoordinator(database)
    with open(path, encoding='utf-8') as file:
        events = (line.rstrip('\n') for line in file)
        await run(coordinator, events, float(warm_up))
        print('ready', flush=True)
        sys.stdin.readline()
        begin = time.perf_counter()
        took = await run(coordinator, events, float(seconds))
        elapsed_us = (time.perf_counter() - begin) * 1e6
    took.sort()
    print('done', len(took), int(elapsed_us), int(took[len(took) // 2]),
          int(took[len(took) * 99 // 100]), flush=True)
    sys.stdin.read()


asyncio.run(main())
