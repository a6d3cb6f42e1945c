"""The online entry of an entity: what is kept for it under one key, in bytes.

This layout is final: format 3. An entry is 64-bit little-endian words, and bytes behind them:

====================  ==========================================================================
header                format and layout, latest event time, moment until which all results hold, number of null results and
                      of null later results, newest event time before the horizon, last materialized and last pushed sequence,
                      number of pending events, number of words, widths of the columns of hops
results               columns and aggregates as they are just after the latest event: floats and whole numbers as they are,
                      of a text or a list (offset << 32 | length) among the bytes
later                 the aggregates as they are once their windows have lost a hop
untils                of each window the cut from which it no longer is as in the results, and of each that from which it no
                      longer is as it is later
counts                for each list of hops, how many records it has, the first of which is a base: zeros
latest event          its creation time and its prepared measures; its time and columns stand above
indices               where hops begin, in units of their list, from the unit of the latest event on, ascending in each list
measures              for each word of a measure its values, list after list. Sums are running sums from the base on, so that
                      a window is a difference; of a measure that varies in length (offset << 32 | length) among the states;
                      others are as they are. Indices and each word of measures are a column, which `hopcolumns` makes narrow
newest                creation time and values of the newest event before the horizon, if there is one and columns are kept
pending               event time, creation time, values and prepared measures of the other events at or after the horizon
states                of hops, words: bins, or rows of event time, creation time and value
bytes                 of texts and lists; padded to a word
====================  ==========================================================================

The horizon is the cut of a read as of the latest event. Events before it are folded into hops and `newest`; a cut before it
cannot be answered. A cut after the latest event is answered from the results, as far as they still hold; all else is for what lies
between, for windows that moved on, and for writing.

Sizes of hops of which each divides the next share a list. A hop is of the finest size of which a window still reaches it as of the
horizon, so that an event is kept once, and any window is the end of a list from its tail on.

All up to the latest event's measures has one length in all entries of a view.
"""

from intonaco.infra.features.entries.entrydecoding import decode
from intonaco.infra.features.entries.entryencoding import encode

__all__ = ["decode", "encode"]
