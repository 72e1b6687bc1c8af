// Passkeys: what the server asks of the browser's authenticator, and back. Pages say what they want by data attributes.
(() => {
  "use strict";
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  };
  const text = (buffer) => {
    if (!buffer) return undefined;
    const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const withBytes = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));
  const written = (credential) => {
    const said = credential.response;
    const response = { clientDataJSON: text(said.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (said[name]) response[name] = text(said[name]);
    }
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  };
  const create = async ({ publicKey }, alone) => {
    const selection = { ...publicKey.authenticatorSelection, residentKey: alone ? "required" : "discouraged", requireResidentKey: alone };
    if (alone) selection.userVerification = "required";
    return navigator.credentials.create({ publicKey: {
      ...publicKey, authenticatorSelection: selection, challenge: bytes(publicKey.challenge),
      user: { ...publicKey.user, id: bytes(publicKey.user.id) }, excludeCredentials: withBytes(publicKey.excludeCredentials),
    } });
  };
  const get = ({ publicKey }) => navigator.credentials.get({ publicKey: {
    ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials: withBytes(publicKey.allowCredentials),
  } });
  const given = () => JSON.parse(document.getElementById("js_data").textContent);
  const asked = async (url) => {
    const answer = await fetch(url, { headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };
  const acts = {
    add: async (form) => create(given().creation_options, Boolean(form.elements.passwordless && form.elements.passwordless.checked)),
    use: async () => get(given().request_options),
    login: async (form) => get((await asked(form.action)).request_options),
  };
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const form = document.getElementById(button.dataset.form);
      const fault = document.getElementById("passkey_fault");
      fault.hidden = true;
      try {
        form.elements.credential.value = written(await acts[button.dataset.passkey](form));
        form.submit();
      } catch {
        // Refused, cancelled or timed out: browsers tell no more.
        fault.hidden = false;
      }
    });
  }
})();
