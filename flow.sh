U=$1/v1
A=$(curl -s $U/assistants -d '{"model": "gpt-4o", "instructions":"Be <brief>.", "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]}' | grep -o 'asst_\w*')
curl -s $U/threads/runs -d '{"assistant_id": "'$A'", "stream": true, "thread": {"messages": [{"role": "user", "content": "'"${2:-What is the weather in Paris?}"'"}]}}' | tee run.txt
T=$(grep -o 'thread_\w*' run.txt | head -1) R=$(grep -o 'run_\w*' run.txt | head -1) C=$(grep -o 'call_\w*' run.txt | head -1)
curl -s $U/threads/$T/runs/$R/submit_tool_outputs -d '{"stream": true, "tool_outputs": [{"tool_call_id": "'$C'", "output": "22 degrees"}]}'
curl -s $U/threads/$T/messages
curl -si $U/embeddings -d '{"model":"builtin/echo","input":"hello","dimensions":8}'
