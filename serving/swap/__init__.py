"""Hot swap: the served bundle gives way to another with requests in flight, on every worker of a service or on none.

source      which bundle is to be served: a path, models/current, or an alias of MLflow, which `alias` asks without MLflow
loading     verify, warm and check a bundle by the prompts of `golden`
group       what the workers of one service share: a folder, which of them live, and which bundle is committed
agent       of a worker: prepares what is ordered, serves what is committed
driving     one swap: order, wait for all workers, commit or give up
watching    drives a swap when the source changes; one worker of a service does
holder      the above for one worker: what the service holds
"""
