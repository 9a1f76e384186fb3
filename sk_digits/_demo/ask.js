// The only module that knows where answers come from.

// Resolves to what sk_digits/_demo/answers.py describes: { digits, size, preview }, or { error },
// a sentence. `content` is a Blob with an image file, `many` whether it is a page of digits.
export async function ask(content, many) {
  try {
    const response = await fetch(many ? "page" : "digit", { method: "POST", body: content });
    return response.ok ? await response.json() : { error: await response.text() };
  } catch {
    return { error: "The server does not answer. Is sk-digits demo still running in its terminal?" };
  }
}
