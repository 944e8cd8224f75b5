"""Ask a gateway one question through the openai SDK. To copy; needs: pip install openai

python examples/openai_client.py http://127.0.0.1:8080/v1 "What is a hash table?"
"""

import sys

import openai

if len(sys.argv) != 3:
    sys.exit(__doc__)
base_url, question = sys.argv[1:]
# The gateway tries its models again by itself: no retries are needed here.
with openai.OpenAI(base_url=base_url, api_key="none-is-needed", max_retries=0) as client:
    try:
        answer = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": question}], timeout=30
        )
    except openai.OpenAIError as error:
        sys.exit(str(error))

print(f"{answer.choices[0].message.content}\n({answer.model})")
