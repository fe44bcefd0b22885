"""The functions that the suites offer to the model."""


def function(name, **properties):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name} of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, **properties},
                "required": ["city"],
            },
        },
    }


WEATHER = function("weather")
POPULATION = function("population")

# The built-in model calls the functions whose names occur in the text.
ASK = "What is the weather in Paris?"
ASK_BOTH = "What are the weather and the population in Paris?"


def outputs(run):
    """An output for each call the run waits for."""
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": f"{call.function.name}: 21"} for call in calls]
